"""Objective of the test set, epoch by epoch, cold and from a finished model's weights; prints, asserts nothing.

`python -m tests.benchmarks.warm_starts --dataset binary_mnist` trains two models to start from and four at their goals,
each cold and warm: some ten minutes on one core. The last two moves start where z_2 has collapsed, or where it is rich.
"""

__all__ = ["main"]

import argparse
import copy
from dataclasses import replace

import torch

from hit import data
from hit.config import TrainConfig
from hit.data import Dataset
from hit.evaluation import evaluate_model
from hit.models import HierarchicalVAE, build_model
from hit.processes.setup import keep_freed_memory
from hit.training import fit
from hit.training.loop import Epoch

Betas = tuple[float, float]
#: (β_1, β_2) to start from and to go to.
MOVES: tuple[tuple[Betas, Betas], ...] = (
    ((1.0, 1.0), (0.3, 0.3)),
    ((1.0, 1.0), (1.0, 0.1)),
    ((1.0, 5.0), (1.0, 0.1)),
    ((1.0, 1.0), (1.0, 5.0)),
)


def train(dataset: Dataset, config: TrainConfig, start: HierarchicalVAE | None = None) -> HierarchicalVAE:
    """A model of this config, from `start`'s weights where given; prints a line with every epoch's objective."""
    model = build_model(config, dataset.image_shape) if start is None else copy.deepcopy(start)
    values: list[str] = []
    rates: list[float] = []

    def measure(epoch: Epoch) -> None:
        found = evaluate_model(model, dataset, config.betas).metrics
        values.append(f"{found['test/objective']:.1f}")
        rates[:] = [found["test/rate_2"], found["test/rate_1"]]
        model.train()

    fit(model, dataset.train, config, on_epoch=measure)
    betas = ", ".join(f"{beta:g}" for beta in config.betas)
    kind = "cold" if start is None else "warm"
    print(f"  {kind} at β ({betas}): {' '.join(values)}  R_2 {rates[0]:.1f} R_1 {rates[1]:.1f}", flush=True)
    return model


def main() -> None:
    """Train the sources, then every goal cold and warm."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="binary_mnist")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch_size", type=int, default=256)
    parser.add_argument("--learning_rate", type=float, default=3e-4)
    parser.add_argument("--schedule", default="constant")
    parser.add_argument("--seed", type=int, default=0)
    options = vars(parser.parse_args())
    torch.set_num_threads(1)
    keep_freed_memory()
    base = TrainConfig.from_flat(options)
    dataset = data.load(base.dataset)
    trained: dict[Betas, HierarchicalVAE] = {}
    for source, goal in MOVES:
        print(f"β {source} → {goal}", flush=True)
        for betas in (source, goal):
            if betas not in trained:
                trained[betas] = train(dataset, replace(base, betas=betas))
        train(dataset, replace(base, betas=goal), trained[source])


if __name__ == "__main__":
    main()
