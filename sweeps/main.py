"""`python -m sweeps.main`: the whole story: a small sweep, every model evaluated, the report on it, what it says."""

__all__ = ["DEFAULTS", "main", "parser"]

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

#: Where the story differs from the defaults of a single model: the embedded digits are few, so it takes
#: small batches, a larger step and more epochs. Scoring samples takes a classifier, which it does not train.
DEFAULTS = {"epochs": 24, "batch_size": 128, "learning_rate": 3e-3, "metrics": "core,latents"}


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class PageOptions:
    """Where the report goes."""

    output: Annotated[Text, Field(min_length=1, description="file of the report, a single HTML page")] = "report.html"


def parser() -> Parser:
    """The options of the command."""
    from sweeps.spec.request import sweep_parser  # needs `analysis`, which may be another one (hit.cli.console)

    says = "A small sweep over β on one data set, its evaluation and its report."
    options = sweep_parser("sweeps.main", says, **DEFAULTS)
    options.add_options("report", PageOptions)
    return options


def main(argv: list[str], stop: "StopRequest") -> None:
    """Sweep, report, say which regions to target and where it is."""
    parsed = parser().parse(argv)

    from sweeps.spec.request import SweepRequest

    request = SweepRequest.parse(parsed)
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


if __name__ == "__main__":
    entry_point(main, Kind.SWEEP)
