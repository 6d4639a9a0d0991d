"""`python -m sweeps`: a driver over the store."""

__all__ = ["main", "parser"]

import os
import sys
from typing import TYPE_CHECKING

from hit.cli import Parser, entry_point
from hit.config.dataset_kind import dataset_kind
from hit.dataset_files import check_files
from hit.schema import Kind

if TYPE_CHECKING:
    from hit.processes.stop import StopRequest


def parser() -> Parser:
    """The options of the command."""
    from sweeps.spec.request import sweep_parser  # needs `analysis`, which may be another one (hit.cli.console)

    return sweep_parser("sweeps", "Let a driver choose models by what the store holds, train them, each evaluated.")


def main(argv: list[str], stop: "StopRequest") -> None:
    """Parse the options, run what the store lacks, print the sweep's run id."""
    parsed = parser().parse(argv)

    from sweeps.spec.request import SweepRequest

    request = SweepRequest.parse(parsed)
    dataset_kind(request.base.dataset, request.base.crop, request.base.label)
    check_files(request.base.dataset, request.base.data_root)

    from hit.errors import StoreError
    from hit.ui.views import charts_line
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
