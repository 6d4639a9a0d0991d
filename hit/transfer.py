"""`python -m hit.transfer FROM TO`: runs of one store in another one, such as a laptop's in the team's."""

__all__ = ["TransferOptions", "main", "parser"]

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from hit.cli import Parser, entry_point
from hit.config.field_types import Text, Where
from hit.config.machine_options import MachineOptions, StateDir
from hit.config.options import build
from hit.schema import DEFAULT_EXPERIMENT, Kind

if TYPE_CHECKING:
    from hit.processes.stop import StopRequest

_ADDRESS = "an SQLite file (sqlite:///runs.db), another database, or a tracking server (http://host:5000)"


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class TransferOptions:
    """Which runs, from where, to where."""

    source: Annotated[Text, Field(description=f"store to read: {_ADDRESS}; FROM is short for it")] = ""
    target: Annotated[Text, Field(description=f"store to write to: {_ADDRESS}; TO is short for it")] = ""
    experiment: Annotated[Text, Field(description="experiments of the source, with commas; all: every one")] = (
        DEFAULT_EXPERIMENT
    )
    into: Annotated[Text, Field(description="experiment of the target; empty: of the same name")] = ""
    where: Annotated[Where, Field(description="an MLflow filter on the runs; empty: all")] = ""
    dry_run: Annotated[bool, Field(description="only tell what would be done, run by run")] = False
    state_dir: StateDir = MachineOptions.state_dir


class _StoresFirst(Parser):
    """FROM TO at the beginning stand for two options."""

    def parse(self, argv: Sequence[str]) -> dict[str, dict[str, Any]]:
        return super().parse(_named(argv))


def parser() -> Parser:
    """The options of the command."""
    options = _StoresFirst(
        "hit.transfer",
        "Bring runs of one store into another; FROM TO are short for --source FROM --target TO. "
        "What is there already is left alone, so that it can be begun again at any time.",
    )
    options.add_options("transfer", TransferOptions)
    return options


def main(argv: list[str], stop: "StopRequest") -> None:
    """Parse the options, transfer run by run, say what became of each."""
    options = build(TransferOptions, parser().parse(argv)["transfer"])

    from hit.config import TrainConfig
    from hit.delivery.local_state import state_folder
    from hit.tracking.project_run import project_run

    folder = state_folder(TrainConfig(state_dir=options.state_dir))
    with project_run(Kind.TRANSFER, state_dir=folder, stop=stop):
        _transfer(options, stop)


def _transfer(options: TransferOptions, stop: "StopRequest") -> None:
    from tqdm import tqdm

    from hit.connection.addresses import sqlite_path, tracking_uri
    from hit.errors import ConfigError, StoreError
    from hit.errors.redaction import redact
    from hit.store import Store
    from hit.transfers import transfer_runs

    for name, address in (("source", options.source), ("target", options.target)):
        if not address:
            raise ConfigError(f"{name} must be the address of a store, got none: hit.transfer FROM TO")
    if tracking_uri(options.source) == tracking_uri(options.target):
        raise ConfigError(f"target must be another store than source, got {redact(options.target)} for both")
    for name, address in (("source", options.source), ("target", options.target)):
        file = sqlite_path(tracking_uri(address))
        if file is not None and not file.is_file() and (name == "source" or options.dry_run):
            raise StoreError(f"{name} must be a store that is there, got {file}, which is not")
    source = Store(options.source)
    every = source.experiments()
    names = every if options.experiment == "all" else options.experiment.split(",")
    for name in names:
        if name not in every:
            raise ConfigError(f"experiment must be one of the source, got {name!r} of: {', '.join(every)}")
    runs = {name: list(source.runs(name, where=options.where, kind=None)) for name in names}
    count = sum(map(len, runs.values()))
    if not count:
        print("no run of the source is asked for", file=sys.stderr)
        return
    target = Store(options.target)
    failed = changed = 0
    with tqdm(total=count, unit="run", desc="transferring", disable=None) as progress:
        for name, some in runs.items():
            for one in transfer_runs(source, target, some, options.into or name, dry_run=options.dry_run):
                stop.check()
                progress.update()
                failed += one.failed
                changed += one.changed
                info = one.run.info
                tqdm.write(f"{info.run_id} {info.run_name}: {one.text}", file=sys.stderr)
    verb = "would be changed" if options.dry_run else "changed"
    print(f"{changed} of {count} runs {verb} in {redact(options.target)}", file=sys.stderr)
    if failed:
        raise StoreError(f"{failed} of {count} runs could not be transferred; the reasons stand above")


def _named(argv: Sequence[str]) -> list[str]:
    """The command line with FROM and TO as options.

    >>> _named(["a.db", "http://team", "--dry_run", "true"])
    ['--source', 'a.db', '--target', 'http://team', '--dry_run', 'true']
    """
    named: list[str] = []
    for name, word in zip(("--source", "--target"), argv[:2], strict=False):
        if word.startswith("-"):
            break
        named += [name, word]
    return [*named, *argv[len(named) // 2 :]]


if __name__ == "__main__":
    entry_point(main, Kind.TRANSFER)
