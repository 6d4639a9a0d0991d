"""Record ten more seeds of a few cells of the digits' surface, as a small table: what a gain is measured against.

`python -m tests.benchmarks.record_seeds` trains 80 models, in an experiment of its own of the store that
MLFLOW_TRACKING_URI names, by the protocol of tests/benchmarks/record_surface.py; one that is stopped goes on when it
is started again. Then it writes `tests/data/digits_seeds.csv`. It takes about 10 minutes on one core.
"""

__all__ = ["SEEDS_TABLE", "main"]

import argparse
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.record_surface import PROTOCOL, TABLE, write_table

EXPERIMENT = "digits seeds"
SEEDS_TABLE = TABLE.with_name("digits_seeds.csv")
SEEDS = tuple(range(1, 11))
#: (β_1, β_2) on the grid of the surface: of equal β, and what is best of the others for one application or another.
CELLS = (
    (1.25893, 1.25893),
    (1.58489, 0.1),
    (0.794328, 0.794328),
    (0.794328, 0.398107),
    (0.398107, 0.398107),
    (3.16228, 0.316228),
    (0.158489, 0.158489),
    (0.1, 0.199526),
)


def main() -> None:
    """Sweep cell by cell, then write the table where every model is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=1, help="processes; 0: one a CPU")
    parser.add_argument("--output", type=Path, default=SEEDS_TABLE)
    parser.add_argument("--experiment", default=EXPERIMENT)
    options = parser.parse_args()
    for beta_1, beta_2 in CELLS:
        asked = {"grid_1": f"{beta_1:g}", "grid_2": f"{beta_2:g}", "seeds": ",".join(map(str, SEEDS))}
        words = [word for name, value in (PROTOCOL | asked).items() for word in (f"--{name}", value)]
        command = [sys.executable, "-m", "sweeps", *words]
        subprocess.run([*command, "--experiment", options.experiment, "--workers", str(options.workers)], check=True)
    written = write_table(options.output, options.experiment, seeds=True)
    print(f"{written} of {len(CELLS) * len(SEEDS)} models: {options.output}")
    if written != len(CELLS) * len(SEEDS):
        sys.exit("some models are missing: start it again")


if __name__ == "__main__":
    main()
