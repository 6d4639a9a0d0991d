"""Trainings that are stopped in the middle and compared with those that are not."""

__all__ = ["same_weights", "train", "without_time"]

from pathlib import Path

import torch

from hit.config import TrainConfig
from hit.data import Dataset
from hit.errors import Interrupted
from hit.models import HierarchicalVAE
from hit.models.surface_model import SurfaceModel
from hit.training import fit
from hit.training.loop import Epoch


def train(
    model: HierarchicalVAE | SurfaceModel,
    digits: Dataset,
    config: TrainConfig,
    checkpoint: Path | None = None,
    stop_after: int = 0,
) -> list[Epoch]:
    """Train the model in place; its epochs.

    Args:
        stop_after: steps before it is interrupted; 0: never.
    """
    epochs: list[Epoch] = []
    steps = iter(range(10**9))

    def check() -> None:
        if stop_after and next(steps) >= stop_after:
            raise Interrupted(15)

    fit(model, digits.train, config, on_epoch=epochs.append, check=check, checkpoint=checkpoint, identity=str(config))
    return epochs


def same_weights(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    """Whether two models of one architecture are equal to the last bit."""
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def without_time(epochs: list[Epoch]) -> list[dict[str, float]]:
    """The epochs' metrics but for the seconds that they took."""
    return [{key: value for key, value in epoch.metrics.items() if key != "train/seconds"} for epoch in epochs]
