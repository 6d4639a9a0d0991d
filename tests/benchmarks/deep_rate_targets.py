"""How near models of four and six layers come to a target for every rate; prints, asserts nothing.

`python -m tests.benchmarks.deep_rate_targets` takes some minutes on a core.
"""

__all__ = ["main"]

import argparse
import time

import torch

from hit import data
from hit.config import TrainConfig
from hit.data import Dataset
from tests.benchmarks.rate_targets import train

#: Targets of R_1, …, R_L, nats, by the form of the model.
TARGETS = {
    "dense": (
        (10, 8, 6, 4),
        (4, 6, 8, 10),
        (20, 3, 8, 3),
        (10, 8, 6, 5, 4, 3),
        (5, 5, 5, 5, 5, 5),
        (3, 4, 5, 6, 8, 10),
    ),
    "deep": (
        (12, 8, 6, 4),
        (6, 6, 6, 6),
        (3, 8, 8, 5),
        (12, 8, 6, 5, 4, 3),
        (6, 6, 6, 6, 6, 6),
        (3, 5, 8, 8, 5, 3),
    ),
}
#: Dimensions of the dense layers above z_1, by L.
Z_DIMS = {4: "8,16,20", 6: "6,8,12,16,20"}
#: Maps of a deep model from the top down, by L.
MAPS = {4: "1x1x8,2x2x4,4x4x4,8x8x2", 6: "1x1x8,1x1x8,2x2x4,4x4x4,4x4x4,8x8x2"}


def missed(dataset: Dataset, targets: tuple[int, ...], flat: dict[str, object]) -> tuple[list[float], float]:
    """Relative errors of the test set's rates of a model with these targets, and its distortion."""
    form = (
        {"model": "deep", "model.latents": MAPS[len(targets)]} if "model" in flat else {"z_dims": Z_DIMS[len(targets)]}
    )
    asked = {f"target_rate_{layer}": nats for layer, nats in enumerate(targets, start=1)}
    config = TrainConfig.from_flat(flat | form | asked)
    found, _ = train(dataset, config)
    return list(config.targets.relative_errors("test", found).values()), found["test/distortion"]


def main() -> None:
    """Train to every set of targets with every seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--form", choices=TARGETS, default="dense")
    parser.add_argument("--layers", type=int, default=0, help="of the models; 0: all")
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--schedule", default="cooldown")
    options = parser.parse_args()
    torch.set_num_threads(1)
    dataset = data.load("digits")
    flat: dict[str, object] = {"batch_size": 64, "learning_rate": 3e-3}
    flat |= {"epochs": options.epochs, "schedule": options.schedule}
    if options.form == "deep":
        flat["model"] = "deep"
    errors: list[float] = []
    for targets in TARGETS[options.form]:
        if options.layers not in (0, len(targets)):
            continue
        for seed in options.seeds.split(","):
            started = time.perf_counter()
            own, distortion = missed(dataset, targets, flat | {"seed": seed})
            errors += map(abs, own)
            told = " ".join(f"{error:+.1%}" for error in own)
            took = time.perf_counter() - started
            print(f"{targets} seed {seed}: {told}  D {distortion:.1f}  {took:.0f} s", flush=True)
    print(f"{len(errors)} rates: worst {max(errors):.1%}, {sum(error > 0.05 for error in errors)} beyond 5 %")


if __name__ == "__main__":
    main()
