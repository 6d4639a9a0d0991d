"""`python -m hit.import_runs`: checkpoints of the original research code into the store."""

__all__ = ["ImportOptions", "main", "parser"]

import os
import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from hit.cli import Parser, entry_point
from hit.config.field_types import Text
from hit.config.machine_options import MachineOptions
from hit.config.options import build
from hit.schema import Kind
from hit.schema.metric_groups import GROUPS_HELP, Groups

if TYPE_CHECKING:
    from hit.processes.stop import StopRequest


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class ImportOptions(MachineOptions):
    """What to import, how it is measured, and where that runs."""

    path: Annotated[Text, Field(description="folder under which the runs lie, each with config.json and vae.pth")] = ""
    metrics: Annotated[Groups, Field(description=f"measured of each, core in any case; {GROUPS_HELP}")] = "all"


def parser() -> Parser:
    """The options of the command."""
    options = Parser("hit.import_runs", "Import checkpoints of the original research code and measure them as ours.")
    options.add_options("import", ImportOptions)
    return options


def main(argv: list[str], stop: "StopRequest") -> None:
    """Parse the options, import what can be, say what could not, print the id of the import's own run."""
    options = build(ImportOptions, parser().parse(argv)["import"])

    from tqdm import tqdm

    from hit.config import TrainConfig, machine_fields
    from hit.connection import chosen_experiment
    from hit.delivery.local_state import state_folder
    from hit.errors import CheckpointError
    from hit.processes.devices import select_device
    from hit.recovery import recover
    from hit.research_code.importer import ImportResult, ImportStatus, find_runs, import_runs
    from hit.tracking import RunWriter
    from hit.ui.run_names import command_name

    experiment = chosen_experiment(options.experiment)
    machine = TrainConfig.from_flat({name: getattr(options, name) for name in machine_fields()})
    select_device(machine.device)
    folders = find_runs(options.path)
    stop.check()
    recover(state_folder(machine), experiment)
    with (
        RunWriter.begin_or_take_over(
            os.environ.get("MLFLOW_RUN_ID"),
            kind=Kind.IMPORT,
            name=command_name(f"import of {len(folders)} runs"),
            state_dir=state_folder(machine),
            experiment=experiment,
            stop=stop,
        ) as run,
        tqdm(total=len(folders), unit="run", desc="importing", disable=None) as bar,
    ):
        run.params({"path": options.path} | {name: getattr(machine, name) for name in sorted(machine_fields())})

        def show(result: ImportResult) -> None:
            if result.reason:
                bar.write(" ".join(f"{result.folder}: {result.reason}".split()), file=sys.stderr)
            bar.update()

        results = import_runs(folders, machine, experiment=run.experiment, parent=run.run_id, stop=stop, on_result=show)
        counts = Counter(result.status for result in results)
        line = ", ".join(f"{counts[status]} {status}" for status in ImportStatus if counts[status])
        if not counts[ImportStatus.IMPORTED] + counts[ImportStatus.PRESENT]:
            raise CheckpointError(f"none of the {len(results)} runs under {options.path} could be imported: {line}")
    print(f"import: of {len(results)} runs, {line}", file=sys.stderr)
    print(run.run_id)


if __name__ == "__main__":
    entry_point(main, Kind.IMPORT)
