"""`python -m sweeps.main`: the whole story: a small sweep, every model evaluated, and the report on it."""

__all__ = ["DEFAULTS", "main", "parser"]

import os
import sys
from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from hit.axes import GRID_DEFAULTS, GRID_HELP
from hit.bounds import Text
from hit.cli import Parser, entry_point
from hit.config import flat_defaults
from hit.options import build, output_file
from hit.schema import Kind
from hit.targets import TARGET_LAYERED

if TYPE_CHECKING:
    from hit.stop import StopRequest

#: Where the story differs from the defaults of a single model: the embedded digits are few, so it takes
#: small batches, a larger step and more epochs. Scoring samples takes a classifier, which it does not train.
DEFAULTS = {"epochs": 24, "batch_size": 128, "learning_rate": 3e-3, "metrics": "core,latents"}


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class PageOptions:
    """Where the report goes."""

    output: Annotated[Text, Field(min_length=1, description="file of the report, a single HTML page")] = "report.html"


def parser() -> Parser:
    """The options of the command."""
    from sweeps.choosing import ChoosingOptions  # needs `analysis`, which may be another one (hit.console)
    from sweeps.options import SweepOptions, is_swept
    from sweeps.running import RunningOptions

    options = Parser(
        "sweeps.main",
        "A small sweep over β on one data set, its evaluation and its report.",
        ["grid_", *TARGET_LAYERED],
        {"beta_": "grid_"},
    )
    options.add_config(leave_out=[*filter(is_swept, flat_defaults())], **DEFAULTS)
    options.add_options("sweep", SweepOptions)
    options.add_options("choosing", ChoosingOptions)
    options.add_options("running", RunningOptions)
    options.add_group("grid", GRID_DEFAULTS, GRID_HELP)
    options.add_options("report", PageOptions)
    return options


def main(argv: list[str], stop: "StopRequest") -> None:
    """Sweep, report, say where it is."""
    parsed = parser().parse(argv)

    from sweeps.options import SweepRequest

    request = SweepRequest.parse(parsed)
    page = build(PageOptions, parsed["report"])
    output_file(page.output)
    print("loading", file=sys.stderr, flush=True)

    from analysis.publish import Selection, publish
    from hit.errors import StoreError
    from hit.experiment_page import charts_line
    from hit.store import Store
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
    print(f"report: {path}")
    print(charts_line(run.uri, run.experiment_id))


if __name__ == "__main__":
    entry_point(main, Kind.SWEEP)
