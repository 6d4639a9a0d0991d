"""`python -m hit.import_runs`: checkpoints of the original research code into the store."""

__all__ = ["ImportOptions", "main", "parser"]

import os
import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from hit.bounds import Text, Threads
from hit.cli import Parser, entry_point
from hit.metric_groups import GROUPS_HELP, Groups
from hit.options import EXPERIMENT_HELP, ExperimentName, build
from hit.schema import Kind

if TYPE_CHECKING:
    from hit.stop import StopRequest


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class ImportOptions:
    """What to import, how it is measured, and where that runs."""

    path: Annotated[Text, Field(description="folder under which the runs lie, each with config.json and vae.pth")] = ""
    metrics: Annotated[Groups, Field(description=f"measured of each, core in any case; {GROUPS_HELP}")] = "all"
    experiment: Annotated[ExperimentName, Field(description=EXPERIMENT_HELP)] = ""
    data_root: Annotated[
        Text, Field(description="where torchvision's data sets lie; empty: $HIT_DATA, else ./data")
    ] = ""
    device: Annotated[Text, Field(description="auto, cpu, cuda or cuda:<n>")] = "auto"
    threads: Annotated[Threads, Field(description="CPU threads of this process; 0: $HIT_THREADS, else all")] = 0
    state_dir: Annotated[Text, Field(description="journals; empty: $HIT_STATE_DIR, else ./.hit")] = ""


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
    from hit.errors import CheckpointError
    from hit.machine import select_device
    from hit.recovery import recover
    from hit.research_import import ImportOutcome, Result, find_runs, import_runs
    from hit.run_names import command_name
    from hit.state import state_folder
    from hit.tracking import RunWriter

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

        def show(result: Result) -> None:
            if result.reason:
                bar.write(" ".join(f"{result.folder}: {result.reason}".split()), file=sys.stderr)
            bar.update()

        results = import_runs(folders, machine, experiment=run.experiment, parent=run.run_id, stop=stop, on_result=show)
        counts = Counter(result.outcome for result in results)
        line = ", ".join(f"{counts[outcome]} {outcome}" for outcome in ImportOutcome if counts[outcome])
        if not counts[ImportOutcome.IMPORTED] + counts[ImportOutcome.PRESENT]:
            raise CheckpointError(f"none of the {len(results)} runs under {options.path} could be imported: {line}")
    print(f"import: of {len(results)} runs, {line}", file=sys.stderr)
    print(run.run_id)


if __name__ == "__main__":
    entry_point(main, Kind.IMPORT)
