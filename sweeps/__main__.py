"""`python -m sweeps`: a driver over the store."""

__all__ = ["main", "parser"]

import os
import sys
from typing import TYPE_CHECKING

from hit.axes import GRID_DEFAULTS, GRID_HELP
from hit.cli import Parser, entry_point
from hit.config import flat_defaults
from hit.schema import Kind
from hit.targets import TARGET_LAYERED

if TYPE_CHECKING:
    from hit.stop import StopRequest


def parser() -> Parser:
    """The options of the command."""
    from sweeps.choosing import ChoosingOptions  # needs `analysis`, which may be another one (hit.console)
    from sweeps.options import SweepOptions, is_swept
    from sweeps.running import RunningOptions

    options = Parser(
        "sweeps",
        "Let a driver choose models by what the store holds, train them, each evaluated.",
        ["grid_", *TARGET_LAYERED],
        {"beta_": "grid_"},
    )
    options.add_options("sweep", SweepOptions)
    options.add_options("choosing", ChoosingOptions)
    options.add_options("running", RunningOptions)
    options.add_group("grid", GRID_DEFAULTS, GRID_HELP)
    options.add_config(leave_out=[*filter(is_swept, flat_defaults())])
    return options


def main(argv: list[str], stop: "StopRequest") -> None:
    """Parse the options, run what the store lacks, print the sweep's run id."""
    parsed = parser().parse(argv)

    from sweeps.options import SweepRequest

    request = SweepRequest.parse(parsed)

    from hit.errors import StoreError
    from hit.experiment_page import charts_line
    from sweeps.sweep import Sweep

    sweep = Sweep.plan(request)
    with sweep.writer(stop, os.environ.get("MLFLOW_RUN_ID") or None) as run:
        result = sweep.run(run, stop)
        if result.faults and not result.counts["finished"]:
            raise StoreError(f"no run of the sweep finished: {next(iter(result.faults.values())).splitlines()[-1]}")
    print(charts_line(run.uri, run.experiment_id), file=sys.stderr)
    print(result.run_id)


if __name__ == "__main__":
    entry_point(main, Kind.SWEEP)
