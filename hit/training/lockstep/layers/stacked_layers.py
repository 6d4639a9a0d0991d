"""How the layers of many models are computed at once: what differs is time and memory, never more than rounding."""

__all__ = ["Batches", "StackedLayers", "Work", "compared_kernels", "totals_of"]

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hit.models import Pass
from hit.training.lockstep.layers.parameters import ParameterLayout

#: What is computed of a model, its prepared images and their noise.
Work = Callable[[Any, Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Batches:
    """A batch a model, and what its losses depend on.

    Attributes:
        x: prepared images, M × batch × example.
        noise: of every layer, M × batch × latent shape.
        inputs: what `losses` takes of every model beside its pass, M × anything.
        arguments: what a model is called with, of its images, its noise and its rows of `inputs`.
        losses: what a model minimises of every image, (batch,), of its pass and its rows of `inputs`.
        precision: of the layers (`TrainConfig.precision`).
        temperature: of a categorical z_L, one number; None: there is none.
    """

    x: Tensor
    noise: tuple[Tensor, ...]
    inputs: tuple[Tensor, ...]
    arguments: Callable[..., tuple[Any, ...]]
    losses: Callable[..., Tensor]
    precision: str
    temperature: Tensor | None = None


class StackedLayers(ABC):
    """M models whose parameters are the rows of one matrix.

    The models' own parameters are views of their rows, so that each of them can be used alone at any time.

    Args:
        models: of one architecture, on one device.

    Attributes:
        name: as it is remembered.
        at_once: models that are computed at once without gradients: their images may be more than those of a step.
        models: the same.
        layout: where parameters lie.
        weights: M × P.
    """

    name: str
    at_once = 64
    channels_last = False

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self.models = tuple(models)
        self.layout = ParameterLayout(self.models[0], channels_last=self.channels_last)
        rows = [self.layout.row(dict(model.named_parameters())) for model in self.models]
        self.weights = torch.stack(rows)
        for model, row in zip(self.models, self.weights, strict=True):
            views = self.layout.views(row)
            for name, parameter in model.named_parameters():
                parameter.data = views[name]

    @abstractmethod
    def gradients(self, batches: Batches) -> tuple[Tensor, Tensor]:
        """The gradients of the mean losses, M × P, and sums over the batches, M × (2 + L): loss, D, R_1 … R_L."""

    @abstractmethod
    def mapped(self, work: Work, x: Tensor, noise: tuple[Tensor, ...], *, shared: bool = False) -> tuple[Tensor, ...]:
        """What is computed of each model, each M × anything, without gradients.

        Args:
            work: of a model, its images and their noise; it gives as many tensors of every model.
            x: prepared images, M × batch × example.
            noise: of every layer, M × batch × latent shape.
            shared: whether all models have the same images and noise, which are given once, without M.
        """

    def rates(self, x: Tensor, noise: tuple[Tensor, ...]) -> Tensor:
        """R_1 … R_L of every image, M × batch × L, without gradients; arguments as for `mapped`."""

        def work(model: Any, x: Tensor, noise: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            return (torch.stack(model(x, noise).rates, 1),)

        return self.mapped(work, x, noise)[0]


def compared_kernels(device: torch.device) -> AbstractContextManager[None]:
    """Within it cuDNN compares its kernels before a first use: those that it takes by rule are seldom good here."""
    if device.type != "cuda":
        return nullcontext()
    chosen = torch.backends.cudnn
    flags: AbstractContextManager[None] = chosen.flags(
        enabled=chosen.enabled, benchmark=True, deterministic=chosen.deterministic, allow_tf32=chosen.allow_tf32
    )
    return flags


def totals_of(losses: Tensor, outcome: Pass) -> Tensor:
    """Sums over a batch, (2 + L,): loss, D, R_1 … R_L."""
    numbers = [losses.sum(), outcome.distortion.sum(), *(rate.sum() for rate in outcome.rates)]
    return torch.stack(numbers).detach()
