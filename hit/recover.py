"""`python -m hit.recover`: what a state directory holds that no store has; deliver it, adopt it, or drop it."""

__all__ = ["RecoverOptions", "main", "parser"]

import contextlib
import sys
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from hit.cli import Parser, entry_point
from hit.commands import extensions_option, program
from hit.config.field_types import Text
from hit.config.machine_options import Experiment, MachineOptions, StateDir
from hit.config.options import build
from hit.schema import Kind, Tag

if TYPE_CHECKING:
    from mlflow.entities import Run

    from hit.processes.stop import StopRequest

_WHICH = "run ids with commas, or all"


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class RecoverOptions:
    """What to do with which runs; without any, they are listed."""

    deliver: Annotated[Text, Field(description=f"{_WHICH}: tell their store what it lacks, once more")] = ""
    adopt: Annotated[
        Text, Field(description=f"{_WHICH} that the store does not hold: make a new run of each in the store")
    ] = ""
    drop: Annotated[Text, Field(description=f"{_WHICH}: remove their folders with all that they hold")] = ""
    experiment: Annotated[
        Experiment, Field(description="with adopt: name of the MLflow experiment; empty: that of the old run")
    ] = MachineOptions.experiment
    state_dir: StateDir = MachineOptions.state_dir


def parser() -> Parser:
    """The options of the command."""
    options = Parser("hit.recover", "List what a state directory holds that no store has; deliver, adopt or drop it.")
    options.add_options("recover", RecoverOptions)
    return options


def main(argv: list[str], stop: "StopRequest") -> None:
    """Parse the options, do what they ask for run by run, or list the runs on stdout, a line each.

    Runs whose process is gone are ended as FAILED in any case, as every command does for its experiment.
    """
    options = build(RecoverOptions, parser().parse(argv)["recover"])

    from filelock import Timeout

    from hit.config import TrainConfig
    from hit.connection import connect
    from hit.delivery.local_state import state_folder
    from hit.errors import ConfigError, StoreError, StoreRefused, shown
    from hit.recovery import end_lost_here
    from hit.recovery.incomplete_runs import adopted, choose, delivered, dropped, find_incomplete
    from hit.recovery.undelivered import find_local_runs
    from hit.tracking.project_run import project_run, project_run_id

    asked = {"deliver": options.deliver, "adopt": options.adopt, "drop": options.drop}
    folder = state_folder(TrainConfig(state_dir=options.state_dir))
    if options.state_dir and not folder.is_dir():
        raise ConfigError(f"state_dir must be a folder that is there, got {shown(options.state_dir)}")
    with project_run(Kind.RECOVER, state_dir=folder, stop=stop):
        client, silent = None, StoreError()
        try:
            client = connect()
        except StoreError as error:
            silent = error
        else:
            with contextlib.suppress(StoreRefused):  # a store that we may not write to can be read all the same
                for run in end_lost_here(find_local_runs(folder), client):
                    print(_ended(run), file=sys.stderr)
        found = [one for one in find_incomplete(folder, client) if one.run_id != project_run_id()]
        if not any(asked.values()):
            for one in found:
                print(one)
            runs = "1 run" if len(found) == 1 else f"{len(found)} runs"
            print(f"{runs} in {folder} that a store lacks something of", file=sys.stderr)
        if client is None and (options.deliver or options.adopt or not options.drop):
            raise silent
        failed = 0
        for action, which in asked.items():
            for one in choose(found, action, which):
                stop.check()
                try:
                    if action == "drop" or client is None:
                        line = dropped(one)
                    elif action == "deliver":
                        line = delivered(one, client)
                    else:
                        line = adopted(one, client, options.experiment)
                except (StoreError, Timeout) as error:
                    line = f"error: {'a process writes to it now' if isinstance(error, Timeout) else error}"
                    failed += 1
                print(f"{one.run_id}: {line}", file=sys.stderr)
        if failed:
            runs = "1 run" if failed == 1 else f"{failed} runs"
            raise StoreError(f"{runs} could not be dealt with as asked; the reasons stand above")


def _ended(run: "Run") -> str:
    """What is told of a run that was ended, and how it goes on."""
    name = f"run {run.info.run_id} {run.info.run_name!r}"
    how = f"; go on with: {program('hit.train')} --resume {run.info.run_id}{_extensions(run)}" if _is_model(run) else ""
    return f"{name} said RUNNING and its process is gone: it is FAILED now{how}"


def _extensions(run: "Run") -> str:
    return extensions_option(run.data.tags.get(Tag.EXTENSIONS, ""))


def _is_model(run: "Run") -> bool:
    return bool(run.data.tags.get(Tag.KIND) == Kind.TRAIN)


if __name__ == "__main__":
    entry_point(main, Kind.RECOVER)
