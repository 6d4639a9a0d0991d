"""`python -m hit.evaluate`: downstream metrics of runs already trained."""

__all__ = ["EvaluateOptions", "main", "parser"]

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from hit.bounds import RunId, Text, Threads, Where, Workers
from hit.cli import Parser, entry_point
from hit.metric_groups import GROUPS_HELP, Groups
from hit.options import EXPERIMENT_HELP, WORKERS_HELP, ExperimentName, build
from hit.schema import Kind

if TYPE_CHECKING:
    from hit.stop import StopRequest


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class EvaluateOptions:
    """Which runs, and what to measure."""

    run_id: Annotated[RunId, Field(description="this run alone")] = ""
    where: Annotated[Where, Field(description="an MLflow filter on the runs; empty: all that lack the metrics")] = ""
    metrics: Annotated[Groups, Field(description=GROUPS_HELP)] = "all"
    workers: Annotated[Workers, Field(description=WORKERS_HELP)] = 0
    again: Annotated[bool, Field(description="measure anew what this evaluator has measured already")] = False
    experiment: Annotated[ExperimentName, Field(description=EXPERIMENT_HELP)] = ""
    data_root: Annotated[
        Text, Field(description="where torchvision's data sets lie; empty: $HIT_DATA, else ./data")
    ] = ""
    device: Annotated[Text, Field(description="auto, cpu, cuda or cuda:<n>")] = "auto"
    threads: Annotated[Threads, Field(description="CPU threads of this process; 0: $HIT_THREADS, else all")] = 0
    state_dir: Annotated[Text, Field(description="journals; empty: $HIT_STATE_DIR, else ./.hit")] = ""


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
    from hit.cpus import default_workers
    from hit.errors import StoreError
    from hit.evaluating import evaluate_runs
    from hit.recovery import recover
    from hit.reevaluation import candidates
    from hit.state import state_folder
    from hit.store import Store
    from hit.tracking import RunWriter

    folder = state_folder(TrainConfig(state_dir=options.state_dir))
    experiment = chosen_experiment(options.experiment)
    recover(folder, experiment)
    store = Store()
    project_run = os.environ.get("MLFLOW_RUN_ID")
    own_run = (
        RunWriter.take_over(project_run, kind=Kind.EVALUATE, name="evaluate", state_dir=folder, stop=stop)
        if project_run
        else contextlib.nullcontext()
    )
    with own_run:
        asked = candidates(
            store,
            experiment,
            run_id=options.run_id,
            where=options.where,
            metrics=options.metrics,
            again=options.again,
        )
        verdicts = evaluate_runs(
            store,
            asked,
            workers=options.workers or default_workers(),
            stop=stop,
            again=options.again,
            data_root=options.data_root,
            device=options.device,
            threads=options.threads,
            state_dir=options.state_dir,
        )
        failed = 0
        for verdict in tqdm(verdicts, total=len(asked), unit="run", desc="evaluating", disable=None):
            info = verdict.candidate.run.info
            failed += verdict.failed
            tqdm.write(f"{info.run_id} {info.run_name}: {verdict.text}", file=sys.stderr)
        if failed:
            raise StoreError(f"{failed} of {len(asked)} runs could not be measured; the reasons stand above")


if __name__ == "__main__":
    entry_point(main, Kind.EVALUATE)
