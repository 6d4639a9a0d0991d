"""ELBO of `deep` beside `ghvae` of about as many parameters, on a part of binary MNIST; prints, asserts nothing.

`HIT_DATA=PATH python -m tests.benchmarks.deep_elbo` takes some minutes on a core.
"""

__all__ = ["main"]

import argparse
import time

import torch

from hit import data
from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.models import build_model
from tests.benchmarks.rate_targets import train_on

#: About 120,000 parameters each.
MODELS = {"ghvae": {"channels": 16}, "deep": {"channels": 32}}


def part_of(split: Split, count: int) -> Split:
    """Images at random, always the same."""
    chosen = torch.randperm(len(split.images), generator=torch.Generator().manual_seed(0))[:count]
    return Split(split.images[chosen], split.labels[chosen])


def main() -> None:
    """Train both with every seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--tested", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", default="0,1")
    options = parser.parse_args()
    torch.set_num_threads(1)
    whole = data.load("binary_mnist")
    dataset = Dataset("part", part_of(whole.train, options.images), part_of(whole.test, options.tested), whole.classes)
    flat = {"dataset": "binary_mnist", "batch_size": 64, "learning_rate": 1e-3, "epochs": options.epochs}
    for seed in options.seeds.split(","):
        for name, own in MODELS.items():
            config = TrainConfig.from_flat({**flat, **own, "model": name, "seed": seed})
            model = build_model(config, dataset.image_shape)
            parameters, started = sum(one.numel() for one in model.parameters()), time.process_time()
            found, _ = train_on(model, dataset, config)
            rates = ", ".join(f"{found[f'test/rate_{layer}']:.3g}" for layer in range(1, config.layers + 1))
            print(
                f"{name} seed {seed}, {parameters} parameters: ELBO {found['test/elbo']:.1f}, D "
                f"{found['test/distortion']:.1f}, R_1 … {rates}, {time.process_time() - started:.0f} s of a core",
                flush=True,
            )


if __name__ == "__main__":
    main()
