"""The loop that every training shares: Adam on a loss an image, an epoch at a time, from its checkpoint on."""

__all__ = ["Epoch", "Weighting", "descend"]

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hit.checkpoint import checkpoint_extra, load_checkpoint, save_checkpoint
from hit.config import TrainConfig
from hit.data import LabelledImages, batches
from hit.errors import Diverged
from hit.memory import memory_is_told
from hit.models import HierarchicalVAE, Pass
from hit.models.conditioning import SurfaceModel
from hit.objective import gumbel_temperature
from hit.randomness import generator
from hit.schedules import apply_schedule


@dataclass(frozen=True)
class Epoch:
    """One finished epoch.

    Attributes:
        number: counted from 1.
        metrics: means over the epoch's images, in schema names (`train/…`).
    """

    number: int
    metrics: dict[str, float]


class Weighting(ABC):
    """What weighs the rates of one training, and thus makes its loss; told of every step and epoch.

    Attributes:
        model: what is trained.
        trained: indices of the images to train on.
    """

    model: HierarchicalVAE | SurfaceModel
    trained: Tensor

    @abstractmethod
    def begin_epoch(self, epoch: int) -> None:
        """An epoch, counted from 0, begins."""

    @abstractmethod
    def weigh(self, x: Tensor, noise: tuple[Tensor, ...], temperature: float | None, step: int) -> tuple[Pass, Tensor]:
        """One pass of a batch, and the loss of every image, (batch,).

        Args:
            x: prepared images, batch × C × H × W.
            noise: that the pass samples with.
            temperature: of a categorical z_L.
            step: counted from 0 over the whole training.
        """

    @abstractmethod
    def before_step(self) -> None:
        """The parameters' gradients are there, and not applied yet."""

    @abstractmethod
    def after_step(self, rates: Tensor, step: int, images: int) -> None:
        """A step was made.

        Args:
            rates: R_1 … R_L of its batch, mean nats per image, (L,).
            step: counted from 0 over the whole training.
            images: of the batch.
        """

    @abstractmethod
    def end_epoch(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """An epoch is over; further metrics of it, by schema names.

        Args:
            metrics: of the epoch.
        """

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """The state by name, for a checkpoint."""

    @abstractmethod
    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state back from a checkpoint."""

    @abstractmethod
    def __str__(self) -> str:
        """β in words, for an error."""


@memory_is_told
def descend(
    weighting: Weighting,
    train: LabelledImages,
    config: TrainConfig,
    *,
    on_epoch: Callable[[Epoch], None],
    check: Callable[[], None] = lambda: None,
    checkpoint: Path | None = None,
    identity: str = "",
) -> None:
    """Train the weighting's model in place, from its checkpoint if there is one.

    An epoch is a function of (weights, optimiser, weighting, seed, epoch): its batches, crops and noise come from
    generators seeded with the last two, and the step size is a function of the step, so that a resumed run equals an
    uninterrupted one. The sums of an epoch stay on the device and are read once, at its end.

    Args:
        weighting: its model is on its device.
        train: on the same device.
        config: what to do; of β, the weighting has it.
        on_epoch: told every finished epoch, before its checkpoint is written.
        check: called before every step; raises to stop (`StopRequest.check`).
        checkpoint: file to go on from and to write after every epoch.
        identity: config hash that the checkpoint must carry.

    Raises:
        Diverged: the objective of an epoch is not finite.
        OutOfMemory: batches do not fit into memory.
        DataError: a streamed image cannot be read.
        CheckpointError: the checkpoint is damaged or of another model.
    """
    model = weighting.model
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
    finished = 0
    if checkpoint is not None and checkpoint.exists():
        finished = load_checkpoint(checkpoint, model, optimiser, identity=identity)
        weighting.restore(checkpoint_extra(checkpoint))
    model.train()
    for epoch in range(finished, config.epochs):
        started = time.perf_counter()
        means = _run_epoch(weighting, optimiser, train, config, epoch, check) / len(weighting.trained)
        metrics = _epoch_metrics(means)
        metrics |= weighting.end_epoch(metrics)
        if (temperature := gumbel_temperature(config, epoch)) is not None:
            metrics["train/temperature"] = temperature
        metrics["train/seconds"] = time.perf_counter() - started
        if not math.isfinite(metrics["train/objective"]):
            raise Diverged(
                f"the training objective is not finite in epoch {epoch + 1} of {config.epochs} "
                f"(learning_rate {config.learning_rate:g}, {weighting})"
            )
        on_epoch(Epoch(epoch + 1, metrics))
        if checkpoint is not None:
            extra = weighting.tensors()
            save_checkpoint(checkpoint, model, optimiser, epoch=epoch + 1, identity=identity, extra=extra)
    model.eval()


def _run_epoch(
    weighting: Weighting,
    optimiser: torch.optim.Optimizer,
    train: LabelledImages,
    config: TrainConfig,
    epoch: int,
    check: Callable[[], None],
) -> Tensor:
    """Sums over the images of [loss, distortion, R_1, …, R_L]."""
    device = train.device
    model, trained = weighting.model, weighting.trained
    order = trained[torch.randperm(len(trained), generator=generator("batches", config.seed, epoch))]
    noise = generator("noise", config.seed, epoch, device)
    crops = generator("crops", config.seed, epoch)
    temperature = gumbel_temperature(config, epoch)
    sums = torch.zeros(2 + model.layers, dtype=torch.float64, device=device)
    steps = math.ceil(len(order) / config.batch_size)
    pictures = batches(train, config.batch_size, order.to(device), crops=crops)
    weighting.begin_epoch(epoch)
    for step, images in enumerate(pictures, start=epoch * steps):
        check()
        apply_schedule(optimiser, config, step, config.epochs * steps)
        x = model.prepare(images)
        outcome, losses = weighting.weigh(x, model.noise(len(x), noise), temperature, step)
        optimiser.zero_grad(set_to_none=True)
        losses.mean().backward()
        weighting.before_step()
        optimiser.step()
        with torch.no_grad():
            totals = torch.stack([losses.sum(), outcome.distortion.sum(), *(rate.sum() for rate in outcome.rates)])
            sums += totals
            weighting.after_step(totals[2:] / len(x), step, len(x))
    return sums


def _epoch_metrics(means: Tensor) -> dict[str, float]:
    loss, distortion, *rates = means.tolist()
    return {
        "train/objective": loss,
        "train/distortion": distortion,
        "train/rate": sum(rates),
        "train/elbo": -distortion - sum(rates),
        **{f"train/rate_{layer}": rate for layer, rate in enumerate(rates, start=1)},
    }
