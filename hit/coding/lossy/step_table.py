"""How wide posteriors are, dimension by dimension, by the model's own samples: what a lossy code's steps follow."""

__all__ = ["CategoryTable", "LayerTable", "StepTable", "WidthTable"]

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor

from hit.coding.entropy_models import Models, Tables
from hit.coding.top_down import reproducible, top_down
from hit.distributions import Categorical, DiagonalGaussian, LatentDistribution, VectorLikelihood
from hit.errors import Diverged
from hit.models import HierarchicalVAE
from hit.randomness import generator

_SAMPLES, _BATCH = 256, 32
#: Numbers of a table are powers of 2^(1/8), so that what differs in the last digits only gives the same table.
_PER_OCTAVE = 8
_LEAST, _MOST = 2.0**-20, 2.0**20
#: Means that spread over less than this share of a step never leave the prior's mean: 6e-5 of them would.
_IDLE = 1 / 8


@dataclass(frozen=True)
class WidthTable:
    """Of a Gaussian layer. All float64, shaped like one z_l.

    Attributes:
        width: root of the mean posterior variance.
        spread: root of the mean of ((μ − μ_p) / σ_p)²: by how much the means scatter less than the prior.
        reach: root of the mean of (μ − μ_p)².
    """

    width: Tensor
    spread: Tensor
    reach: Tensor

    def used(self, step: float) -> Tensor:
        """The dimensions that are sent at steps of so many widths: means of the others are within one step."""
        return self.reach > _IDLE * step * self.width


@dataclass(frozen=True)
class CategoryTable:
    """Of a categorical layer.

    Attributes:
        shares: how often each category is the likeliest, one more than counted: K.
    """

    shares: Tensor

    def models(self, batch: int) -> Models:
        """The shares as an entropy model, one number an example."""
        return Tables.of(np.broadcast_to(self.shares.numpy(), (batch, 1, len(self.shares))))


LayerTable = WidthTable | CategoryTable


@dataclass(frozen=True)
class StepTable:
    """What a lossy code takes of a model beside its networks: nothing of it is sent.

    Attributes:
        layers: index 0 is z_1.
    """

    layers: tuple[LayerTable, ...]

    @classmethod
    def of(cls, model: HierarchicalVAE, shape: tuple[int, ...]) -> "StepTable":
        """By 256 images that the model generates, so that whoever has the model has its table.

        Args:
            model: as `reproducible_copy` makes it.
            shape: of an image, (C, H, W), or of a vector, (D,).

        Raises:
            Diverged: a posterior is not finite.
        """
        draws = generator("step table", 0)
        parts: list[list[tuple[Tensor, ...]]] = [[] for _ in range(model.layers)]
        with reproducible():
            for _ in range(_SAMPLES // _BATCH):
                for layer, found in _posteriors(model, _generated(model, shape, draws)).items():
                    parts[layer - 1].append(found)
        return cls(tuple(_table(tuple(map(torch.cat, zip(*layer, strict=True)))) for layer in parts))

    @property
    def digest(self) -> bytes:
        """Four bytes that tell it from another."""
        told = blake2b(digest_size=4)
        for layer in self.layers:
            for tensor in (layer.shares,) if isinstance(layer, CategoryTable) else (layer.width, layer.spread):
                told.update(tensor.numpy().tobytes())
            if isinstance(layer, WidthTable):
                told.update(layer.reach.numpy().tobytes())
        return told.digest()


def _generated(model: HierarchicalVAE, shape: tuple[int, ...], draws: torch.Generator) -> Tensor:
    """x of images as a file would hold them."""
    noise = [one.double() for one in model.noise(_BATCH, draws)]
    output = top_down(model, _BATCH, lambda layer, prior, _: prior.sample(noise[layer - 1]))
    images = model.restore(model.likelihood.mean(output)).reshape(_BATCH, *shape)
    if not isinstance(model.likelihood, VectorLikelihood):
        images = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    return model.prepare(images).double()


def _posteriors(model: HierarchicalVAE, x: Tensor) -> dict[int, tuple[Tensor, ...]]:
    """Of every layer what its table averages: σ², ((μ − μ_p) / σ_p)² and (μ − μ_p)², or the likeliest category."""
    found: dict[int, tuple[Tensor, ...]] = {}

    def choose(layer: int, prior: LatentDistribution, posterior: LatentDistribution | None) -> Tensor:
        assert posterior is not None
        if isinstance(posterior, Categorical):
            found[layer] = (posterior.mean,)
        else:
            assert isinstance(posterior, DiagonalGaussian)
            assert isinstance(prior, DiagonalGaussian)
            shift = posterior.mean - prior.mean
            found[layer] = (posterior.std.square(), (shift / prior.std).square(), shift.square())
        return posterior.mean

    top_down(model, len(x), choose, model.inference.evidence(x))
    return found


def _table(numbers: tuple[Tensor, ...]) -> LayerTable:
    if len(numbers) == 1:
        return CategoryTable(numbers[0].sum(0) + 1)
    return WidthTable(*(_rounded(number.mean(0).sqrt()) for number in numbers))


def _rounded(numbers: Tensor) -> Tensor:
    """The nearest powers."""
    if not bool(torch.isfinite(numbers).all()):
        raise Diverged("the model gives a posterior that is not finite")
    return torch.exp2((numbers.clamp(_LEAST, _MOST).log2() * _PER_OCTAVE).round() / _PER_OCTAVE)
