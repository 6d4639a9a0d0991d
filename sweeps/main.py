"""`python -m sweeps.main`: the whole story: a small sweep, every model evaluated, its samples too, and the report."""

__all__ = ["DEFAULTS", "FURTHER_SEEDS", "GRID", "main", "parser", "train_classifier"]

import os
import sys
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from hit.cli import Parser, entry_point
from hit.config.dataset_kind import dataset_kind
from hit.config.field_types import Text
from hit.config.options import build, output_file
from hit.dataset_files import check_files
from hit.schema import Kind

if TYPE_CHECKING:
    from hit.processes.stop import StopRequest
    from sweeps.spec.request import SweepRequest

#: Where the story differs from the defaults of a single model: the embedded digits are few, so it takes small batches,
#: a larger step, which falls to 0, and more epochs.
DEFAULTS = {"epochs": 16, "batch_size": 32, "learning_rate": 3e-3, "schedule": "one_cycle"}
#: Where both layers can hold the same, z_2 holds something only where it is cheaper: the axis of β_2 lies lower. Three
#: values are on both axes, for models of equal β.
GRID = {"grid_1": "0.2,0.5,1.2,4", "grid_2": "0.06,0.2,0.5,1.2"}
#: As a share of the models: enough for three seeds of the best models of some applications, and of those of equal β.
FURTHER_SEEDS = 0.45


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class PageOptions:
    """Where the report goes."""

    output: Annotated[Text, Field(min_length=1, description="file of the report, a single HTML page")] = "report.html"


def parser() -> Parser:
    """The options of the command."""
    from sweeps.spec.request import sweep_parser  # needs `analysis`, which may be another one (hit.cli.console)

    says = "A small sweep over β on one data set, its evaluation and its report."
    options = sweep_parser("sweeps.main", says, GRID, {"further_seeds": FURTHER_SEEDS}, **DEFAULTS)
    options.add_options("report", PageOptions)
    return options


def main(argv: list[str], stop: "StopRequest") -> None:
    """Sweep, report, say which regions to target and where it is."""
    parsed = parser().parse(argv)

    from sweeps.spec.request import SweepRequest

    request = SweepRequest.parse(parsed, GRID)
    dataset_kind(request.base.dataset, request.base.crop, request.base.label)
    check_files(request.base.dataset, request.base.data_root)
    page = build(PageOptions, parsed["report"])
    output_file(page.output)
    print("loading", file=sys.stderr, flush=True)

    from analysis.publish import Selection, publish
    from analysis.recommendation.applications import applications
    from analysis.recommendation.text import summary_lines
    from hit.errors import StoreError
    from hit.store import Store
    from hit.ui.views import charts_line
    from sweeps.sweep import Sweep

    plan = Sweep.plan(request)
    with plan.writer(stop, os.environ.get("MLFLOW_RUN_ID") or None) as run:
        train_classifier(request, stop)
        result = plan.run(run, stop)
        if result.finished == 0:
            reason = next(iter(result.faults.values()), "the budget allowed none").splitlines()[-1]
            raise StoreError(f"no run of the sweep finished: {reason}")
        print("writing the report", file=sys.stderr, flush=True)
        mine = plan.driver.mine(Store().history(run.experiment))
        models = Selection.of(run.experiment, identities=set(mine["config_hash"]))
        path = publish(run, models, page.output)
    try:
        print(*summary_lines(models.frame, applications(request.choice.application)), sep="\n")
    except StoreError as error:  # pictures need less
        print(error)
    print(f"report: {path}")
    print(charts_line(run.uri, run.experiment_id), file=sys.stderr)


def train_classifier(request: "SweepRequest", stop: "StopRequest") -> None:
    """Train what scores the models' samples, where they are to be scored and the store has nothing that does.

    Args:
        request: of the sweep, whose data and machine it takes.
        stop: told about by SIGTERM and Ctrl-C.
    """
    from hit.classify import ClassifyOptions, classify
    from hit.errors import NoScorer
    from hit.evaluation.data_needs import left_out
    from hit.processes.devices import select_device
    from hit.runs.datasets import load_once
    from hit.runs.stored_scorer import find_scorer
    from hit.schema.metric_groups import parse_groups
    from hit.store import Store

    base = request.base
    dataset = load_once(base.dataset, base.data_root, select_device("cpu"), base.crop, base.label)
    if "generation" not in parse_groups(base.metrics) or left_out(("generation",), dataset):
        return
    try:
        find_scorer(Store(), dataset)
    except NoScorer:
        print("training the classifier that scores samples", file=sys.stderr, flush=True)
        options = ClassifyOptions(
            dataset=base.dataset,
            crop=base.crop,
            data_root=base.data_root,
            device=base.device,
            threads=base.threads,
            state_dir=base.state_dir,
            experiment=request.options.experiment,
        )
        _, scores = classify(options.settled(dataset), stop=stop)
        print(f"it tells {scores['test/accuracy']:.1%} of the test images right", file=sys.stderr, flush=True)


if __name__ == "__main__":
    entry_point(main, Kind.SWEEP)
