"""Record what models of every cell of a 21 × 21 grid in β give on the embedded digits, as a small table.

`python -m tests.benchmarks.record_surface --workers 2` trains 441 models in an experiment of its own of the store that
MLFLOW_TRACKING_URI names: an ordinary grid sweep, so that it can be stopped and started again, also on several
machines at once. Then it writes `tests/data/digits_surface.csv`. Each model takes about 8 s on one core.
"""

__all__ = ["main"]

import argparse
import csv
import subprocess
import sys
from pathlib import Path

from hit.store import Store
from tests.replay import ACCURACY

EXPERIMENT = "digits surface"
TABLE = Path(__file__).resolve().parent.parent / "data" / "digits_surface.csv"
#: Small batches: with larger ones z_2 collapses in parts of the plane, by chance.
PROTOCOL = {
    "dataset": "digits",
    "model": "ghvae",
    "grid_1": "0.1:10:21",
    "grid_2": "0.1:10:21",
    "epochs": "16",
    "batch_size": "32",
    "learning_rate": "3e-3",
    "schedule": "one_cycle",
    "seeds": "0",
    "metrics": "core,latents",
}
_COLUMNS = {
    "beta_1": "beta_1",
    "beta_2": "beta_2",
    "rate_1": "test/rate_1",
    "rate_2": "test/rate_2",
    "psnr": "test/psnr",
    "accuracy": ACCURACY,
}


def write_table(path: Path, experiment: str) -> int:
    """One row a finished run of the protocol, β to six digits and what was measured to five; how many.

    Args:
        path: of the table.
        experiment: name of the experiment.
    """
    frame = Store().history(experiment, where="attributes.status = 'FINISHED'")
    rows = frame[list(_COLUMNS.values())].sort_values(["beta_1", "beta_2"])
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows(
            [
                f"{value:.6g}" if name.startswith("beta") else f"{value:.5g}"
                for name, value in zip(_COLUMNS, row, strict=True)
            ]
            for row in rows.itertuples(index=False)
        )
    return len(rows)


def main() -> None:
    """Sweep, then write the table where every cell is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=0, help="processes; 0: one a CPU")
    parser.add_argument("--output", type=Path, default=TABLE)
    parser.add_argument("--experiment", default=EXPERIMENT)
    options = parser.parse_args()
    words = [word for name, value in PROTOCOL.items() for word in (f"--{name}", value)]
    command = [sys.executable, "-m", "sweeps", *words]
    subprocess.run([*command, "--experiment", options.experiment, "--workers", str(options.workers)], check=True)
    cells = 21 * 21
    written = write_table(options.output, options.experiment)
    print(f"{written} of {cells} cells: {options.output}")
    if written != cells:
        sys.exit("some cells are missing: start it again")


if __name__ == "__main__":
    main()
