"""What every training shares: epochs in an order that the seed gives, timed, checked and told; one step of Adam."""

__all__ = ["Epoch", "epoch_metrics", "mixed_precision", "not_finite", "run_epochs", "shuffled", "take_step"]

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from hit.errors import Diverged
from hit.randomness import generator
from hit.training.gradient_clipping import GradientClip


@dataclass(frozen=True)
class Epoch:
    """One finished epoch.

    Attributes:
        number: counted from 1.
        metrics: means over the epoch's images, in schema names (`train/…`).
    """

    number: int
    metrics: dict[str, float]


def run_epochs(
    epochs: range,
    run_epoch: Callable[[int], dict[str, float]],
    *,
    loss: str,
    setting: str,
    on_epoch: Callable[[Epoch], None],
) -> dict[str, float]:
    """Run one epoch after another and tell of each, with the seconds that it took; the metrics of the last one.

    Args:
        epochs: those to run, counted from 0; ends with the training.
        run_epoch: trains for one of them; means over its images, in schema names.
        loss: name of the metric that is minimised.
        setting: what decides whether it stays finite, in words, for an error.
        on_epoch: told every finished epoch.

    Returns:
        An empty dictionary where there was no epoch to run.

    Raises:
        Diverged: the loss of an epoch is not finite; that epoch is not told.
    """
    metrics: dict[str, float] = {}
    for epoch in epochs:
        started = time.perf_counter()
        metrics = run_epoch(epoch)
        metrics["train/seconds"] = time.perf_counter() - started
        if not math.isfinite(metrics[loss]):
            raise Diverged(not_finite(loss, epoch, epochs.stop, setting))
        on_epoch(Epoch(epoch + 1, metrics))
    return metrics


def shuffled(indices: Tensor, seed: int, epoch: int) -> Tensor:
    """The images of an epoch in the order of its batches: a function of (seed, epoch)."""
    return indices[torch.randperm(len(indices), generator=generator("batches", seed, epoch))]


def mixed_precision(precision: str, device: torch.device) -> AbstractContextManager[None]:
    """Within it layers are computed in the precision that a config asks for (`torch.autocast`)."""
    if precision == "float32":
        return nullcontext()
    # A cast that is kept from one step would be no part of the next one's graph.
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)


def take_step(optimiser: torch.optim.Optimizer, loss: Tensor, clip: GradientClip | None = None) -> None:
    """One step down the gradient of the loss of a batch, cut down by `clip`."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    if clip is not None:
        clip.clip()
    optimiser.step()


def epoch_metrics(means: Sequence[float]) -> dict[str, float]:
    """Means over an epoch's images, of the loss, D and R_1 … R_L, as metrics in schema names."""
    loss, distortion, *rates = means
    return {
        "train/objective": loss,
        "train/distortion": distortion,
        "train/rate": sum(rates),
        "train/elbo": -distortion - sum(rates),
        **{f"train/rate_{layer}": rate for layer, rate in enumerate(rates, start=1)},
    }


def not_finite(loss: str, epoch: int, epochs: int, setting: str) -> str:
    """Why a training ends whose loss is not finite.

    Args:
        loss: name of the metric that is minimised.
        epoch: counted from 0.
        epochs: of the whole training.
        setting: what decides whether it stays finite, in words.
    """
    name = loss.removeprefix("train/").replace("_", "-")
    return f"the training {name} is not finite in epoch {epoch + 1} of {epochs} ({setting})"
