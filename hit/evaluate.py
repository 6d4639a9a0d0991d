"""`python -m hit.evaluate`: downstream metrics of runs already trained."""

__all__ = ["EvaluateOptions", "main", "parser"]

import sys
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from hit.cli import Parser, entry_point
from hit.config.field_types import RunId, Where
from hit.config.machine_options import MachineOptions, WorkerOptions
from hit.config.options import build
from hit.schema import Kind
from hit.schema.metric_groups import GROUPS_HELP, Groups, parse_groups

if TYPE_CHECKING:
    from hit.processes.stop import StopRequest


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class EvaluateOptions(MachineOptions, WorkerOptions):
    """Which runs, and what to measure."""

    run_id: Annotated[RunId, Field(description="this run alone")] = ""
    where: Annotated[Where, Field(description="an MLflow filter on the runs; empty: all that lack the metrics")] = ""
    metrics: Annotated[Groups, Field(description=GROUPS_HELP)] = "all"
    again: Annotated[bool, Field(description="measure anew what this evaluator has measured already")] = False


def parser() -> Parser:
    """The options of the command."""
    options = Parser("hit.evaluate", "Measure models already trained; the numbers go to the runs that hold them.")
    options.add_options("evaluate", EvaluateOptions)
    return options


def main(argv: list[str], stop: "StopRequest") -> None:
    """Parse the options, measure every run that lacks something, say what was left out and why."""
    options = build(EvaluateOptions, parser().parse(argv)["evaluate"])

    from tqdm import tqdm

    from hit.config import TrainConfig
    from hit.connection import chosen_experiment
    from hit.delivery.local_state import state_folder
    from hit.errors import StoreError
    from hit.processes.cpus import worker_count
    from hit.recovery import recover
    from hit.runs.evaluation_run import candidates, evaluate_runs
    from hit.store import Store
    from hit.tracking.project_run import project_run

    folder = state_folder(TrainConfig(state_dir=options.state_dir))
    experiment = chosen_experiment(options.experiment)
    recover(folder, experiment)
    store = Store()
    with project_run(Kind.EVALUATE, state_dir=folder, stop=stop):
        asked = candidates(
            store,
            experiment,
            run_id=options.run_id,
            where=options.where,
            groups=parse_groups(options.metrics),
            again=options.again,
        )
        evaluated = evaluate_runs(
            store,
            asked,
            workers=worker_count(options.workers),
            stop=stop,
            again=options.again,
            data_root=options.data_root,
            device=options.device,
            threads=options.threads,
            state_dir=options.state_dir,
            metrics=options.metrics,
        )
        failed = 0
        for one in tqdm(evaluated, total=len(asked), unit="run", desc="evaluating", disable=None):
            info = one.candidate.run.info
            failed += one.failed
            tqdm.write(f"{info.run_id} {info.run_name}: {one.text}", file=sys.stderr)
        if failed:
            raise StoreError(f"{failed} of {len(asked)} runs could not be measured; the reasons stand above")


if __name__ == "__main__":
    entry_point(main, Kind.EVALUATE)
