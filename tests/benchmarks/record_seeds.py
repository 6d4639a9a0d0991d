"""Record ten more seeds of a few cells of the digits' surface, as a small table: what a gain is measured against.

`python -m tests.benchmarks.record_seeds` trains 50 models by the protocol of tests/benchmarks/record_surface.py, in
this process and without a store, and appends each to `tests/data/digits_seeds.csv`; models that stand there are not
trained again. It takes about 6 minutes on one core.
"""

__all__ = ["SEEDS_TABLE", "main"]

import argparse
import csv
import itertools
from pathlib import Path

import torch

from hit import data
from hit.config import TrainConfig
from hit.evaluation import evaluate_model
from hit.models import build_model
from hit.training import fit
from tests.benchmarks.record_surface import PROTOCOL, TABLE
from tests.replay import ACCURACY

SEEDS_TABLE = TABLE.with_name("digits_seeds.csv")
SEEDS = tuple(range(1, 11))
#: (β_1, β_2) on the grid of the surface: of equal β, and what is best of the others for one application or another.
CELLS = (
    (1.25893, 1.25893),
    (1.58489, 0.1),
    (0.794328, 0.794328),
    (0.794328, 0.398107),
    (0.398107, 0.398107),
)
_COLUMNS = ("beta_1", "beta_2", "seed", "rate_1", "rate_2", "psnr", "accuracy")
_MEASURED = ("test/rate_1", "test/rate_2", "test/psnr", ACCURACY)


def measure(beta_1: float, beta_2: float, seed: int) -> list[str]:
    """Train and measure one model: a row of the table."""
    fields = {name: value for name, value in PROTOCOL.items() if name not in ("grid_1", "grid_2", "seeds", "metrics")}
    config = TrainConfig.from_flat(fields | {"beta_1": beta_1, "beta_2": beta_2, "seed": seed})
    dataset = data.load(config.dataset)
    model = build_model(config, dataset.image_shape)
    fit(model, dataset.train, config)
    measured = evaluate_model(model, dataset, config.betas, ("core", "latents")).metrics
    return [f"{beta_1:g}", f"{beta_2:g}", str(seed), *(f"{measured[name]:.5g}" for name in _MEASURED)]


def main() -> None:
    """Train what the table lacks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=SEEDS_TABLE)
    path = parser.parse_args().output
    torch.set_num_threads(1)
    done = set()
    if path.exists():
        with path.open(newline="") as file:
            done = {(row["beta_1"], row["beta_2"], row["seed"]) for row in csv.DictReader(file)}
    else:
        path.write_text(",".join(_COLUMNS) + "\n")
    for (beta_1, beta_2), seed in itertools.product(CELLS, SEEDS):
        if (f"{beta_1:g}", f"{beta_2:g}", str(seed)) not in done:
            row = ",".join(measure(beta_1, beta_2, seed))
            with path.open("a", newline="") as file:
                file.write(row + "\n")
            print(row, flush=True)


if __name__ == "__main__":
    main()
