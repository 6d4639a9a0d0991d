"""Fitting one model for every β: as `hit.training`, with β drawn anew for every example."""

__all__ = ["SurfaceWeighting", "draw_betas", "fit_surface", "raised", "reach"]

import math
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from hit.clipping import GradientClip
from hit.config import TrainConfig
from hit.data import LabelledImages
from hit.descent import Epoch, Weighting, descend
from hit.models import Pass
from hit.models.conditioning import SurfaceModel
from hit.objective import objective, warmup_factor
from hit.randomness import generator

#: An example's loss is divided by (mean β + 0.3)^p: D + Σ β_l R_l grows with β, and large β would drown small ones.
LOSS_OFFSET, LOSS_POWER = 0.3, 0.6
#: Training begins on this lowest share of the range of log β, and has widened to all of it after this share of steps.
#: Under strong β untrained layers collapse before they are of any use, and stay so at every β.
REACH_FROM, WIDENED_AT = 0.4, 0.2
#: Over this share of steps, and at most so many, rates are weighed by more and more of β, from nothing on: under weak
#: β, too, the top layer of untrained networks may be given up, before the layers below let anything of it through.
RAISED_AT, RAISED_STEPS = 0.1, 150


def fit_surface(
    model: SurfaceModel,
    train: LabelledImages,
    config: TrainConfig,
    *,
    on_epoch: Callable[[Epoch], None],
    check: Callable[[], None] = lambda: None,
    checkpoint: Path | None = None,
    identity: str = "",
) -> None:
    """Train `model` in place, from its checkpoint if there is one.

    Minimises the mean of (D + Σ β_l R_l) / (mean β + 0.3)^0.6 over images and over log β uniform in the model's
    range, by Adam on `config.schedule`, which peaks at `config.learning_rate`, with gradients clipped (`GradientClip`).

    Args:
        model: on its device.
        train: on the same device.
        config: what to do; its betas are not used.
        on_epoch, check, checkpoint, identity: as of `hit.descent.descend`.

    Raises:
        Diverged: the objective of an epoch is not finite.
        DataError: a streamed image cannot be read.
        CheckpointError: the checkpoint is damaged or of another model.
    """
    weighting = SurfaceWeighting(config, model, train)
    descend(weighting, train, config, on_epoch=on_epoch, check=check, checkpoint=checkpoint, identity=identity)


class SurfaceWeighting(Weighting):
    """β drawn anew for every example of every batch.

    Args:
        config: of the training.
        model: what is trained.
        train: its images.
    """

    model: SurfaceModel

    def __init__(self, config: TrainConfig, model: SurfaceModel, train: LabelledImages) -> None:
        self.model = model
        self.trained = torch.arange(len(train))
        self._config = config
        self._steps = config.epochs * math.ceil(len(train) / config.batch_size)
        self._clip = GradientClip(model.parameters())
        self._source = generator("betas", config.seed, 0)
        self._warmth = 1.0

    def begin_epoch(self, epoch: int) -> None:
        self._source = generator("betas", self._config.seed, epoch)
        self._warmth = warmup_factor(self._config, epoch)

    def weigh(self, x: Tensor, noise: tuple[Tensor, ...], temperature: float | None, step: int) -> tuple[Pass, Tensor]:
        betas = draw_betas(self.model, len(x), self._source, reach(step, self._steps)).to(x.device)
        outcome = self.model(x, betas, noise, temperature=temperature)
        losses = objective(outcome, betas * (self._warmth * raised(step, self._steps)))
        return outcome, losses / (betas.mean(1) + LOSS_OFFSET) ** LOSS_POWER

    def before_step(self) -> None:
        self._clip.clip()

    def after_step(self, rates: Tensor, step: int, images: int) -> None:
        """What β will be does not depend on the rates."""

    def end_epoch(self, metrics: Mapping[str, float]) -> dict[str, float]:
        return {}

    def tensors(self) -> dict[str, Tensor]:
        return self._clip.tensors()

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        self._clip.restore(tensors)

    def __str__(self) -> str:
        return f"β from {self.model.beta_low:g} to {self.model.beta_high:g}"


def draw_betas(model: SurfaceModel, count: int, source: torch.Generator, reach: float = 1.0) -> Tensor:
    """β of the `count` examples of a batch, count × L, each log β_l uniform over the model's range.

    A Latin hypercube (https://doi.org/10.2307/1268522): of `count` equal parts of the range of log β_l every one holds
    one example, in an order drawn for every layer, so that batches differ less than independent draws would.

    Args:
        model: says the range.
        count: images of the batch.
        source: generator on the CPU.
        reach: the lowest share of the range of log β to draw from.
    """
    low, high = math.log(model.beta_low), math.log(model.beta_high)
    parts = torch.stack([torch.randperm(count, generator=source) for _ in range(model.layers)], 1)
    uniform = (parts + torch.rand(count, model.layers, generator=source)) / count
    return (low + (high - low) * reach * uniform).exp()


def reach(step: int, steps: int) -> float:
    """The share of the range of log β, from its low end up, that training draws from at `step` of `steps`.

    >>> [reach(step, 100) for step in (0, 10, 20, 99)]
    [0.4, 0.7, 1.0, 1.0]
    """
    return min(1.0, REACH_FROM + (1 - REACH_FROM) * step / (WIDENED_AT * steps))


def raised(step: int, steps: int) -> float:
    """The share of β that rates are weighed by at `step` of `steps`.

    >>> [raised(step, 100) for step in (0, 5, 10, 99)], raised(75, 10_000)
    ([0.0, 0.5, 1.0, 1.0], 0.5)
    """
    return min(1.0, step / min(RAISED_AT * steps, RAISED_STEPS))
