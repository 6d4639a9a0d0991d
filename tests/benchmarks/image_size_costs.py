"""Parameters and seconds of a training step at sizes of images: the table of docs/reference/image-sizes.md.

    python -m tests.benchmarks.image_size_costs
    python -m tests.benchmarks.image_size_costs --likelihood mol --sizes 32x32,64x64,256x256

Colour of chance, batches of 16, on one thread. Seconds are of CPU time, which other work on the machine hardly changes,
of 1,000 images; the least of some steps, the first left out.
"""

__all__ = ["COLUMNS", "main"]

import argparse
import time
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch

from hit.config import TrainConfig
from hit.data import Split
from hit.models import build_model
from hit.processes.setup import keep_freed_memory
from hit.training import fit

#: What differs between the columns of the table.
COLUMNS: Mapping[str, Mapping[str, Any]] = {
    "ghvae, dense": {"latent": "dense"},
    "ghvae, conv": {"latent": "conv"},
    "lvae, dense": {"model": "lvae", "latent": "dense"},
    "lvae, conv": {"model": "lvae", "latent": "conv"},
    "vae": {"model": "vae"},
}
_SIZES = "8x8,9x13,16x16,20x37,28x28,32x32,17x64,64x64,96x128,128x128,256x256"
_BATCH = 16


def main() -> None:
    """Print the table as it stands in the page."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--likelihood", default="gaussian")
    options.add_argument("--sizes", default=_SIZES, help="pixels, height x width")
    options.add_argument("--steps", type=int, default=5, help="of each model; the first is not counted")
    asked = options.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    print("| pixels |" + "|".join(f" {name} " for name in COLUMNS) + "|")
    print("|---" * (1 + len(COLUMNS)) + "|")
    for size in asked.sizes.split(","):
        height, width = map(int, size.split("x"))
        cells = [_cell((3, height, width), asked.likelihood, asked.steps, kind) for kind in COLUMNS.values()]
        print(f"| {height} × {width} | " + " | ".join(cells) + " |", flush=True)


def _cell(shape: tuple[int, int, int], likelihood: str, steps: int, kind: Mapping[str, Any]) -> str:
    config = TrainConfig.from_flat({"likelihood": likelihood, "batch_size": _BATCH, "epochs": 1, "threads": 1, **kind})
    model = build_model(config, shape)
    pixels = torch.randint(0, 256, (_BATCH * steps, *shape), dtype=torch.uint8)
    marks: list[float] = []
    fit(model, Split(pixels), config, check=lambda: marks.append(time.process_time()))
    marks.append(time.process_time())
    seconds = min(later - earlier for earlier, later in pairwise(marks[1:]))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return f"{parameters:,} · {1000 / _BATCH * seconds:.1f} s"


if __name__ == "__main__":
    main()
