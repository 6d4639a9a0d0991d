"""The entropy models of an image's levels, given what the decoder gives: in stages, each knowing those before it."""

__all__ = ["BinaryPixels", "LogisticPixels", "PixelModels", "pixel_models"]

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from hit.coding.ans_stack import Symbols
from hit.coding.entropy_models import Bernoullis, Models, Tables
from hit.distributions import Bernoulli, Likelihood, MixtureOfLogistics, VectorLikelihood
from hit.errors import ConfigError, DataError

#: A level's number in two halves: 16 groups of 16.
_HALF_BITS, _GROUP = 4, 16
_HIGHEST_LEVEL = 255
#: What each level has beside its probability, so that a group that has almost none still tells its levels apart.
_FLOOR = 2.0**-20


class PixelModels(ABC):
    """p(x|z_1) as numbers that a stack coder takes. Levels are whole numbers, int32, shaped like x.

    Attributes:
        highest: the highest level.
        stages: how many times numbers are pushed for an image.
    """

    highest: int
    stages: int

    @abstractmethod
    def levels(self, x: Tensor) -> Tensor:
        """Of x as the model is fed it."""

    @abstractmethod
    def x(self, levels: Tensor) -> Tensor:
        """x in float64, of levels."""

    @abstractmethod
    def from_images(self, images: Tensor) -> Tensor:
        """Levels of uint8 images.

        Raises:
            DataError: images that have no levels here.
        """

    @abstractmethod
    def to_images(self, levels: Tensor) -> Tensor:
        """uint8 images of levels."""

    @abstractmethod
    def models(self, stage: int, output: Tensor, levels: Tensor) -> Models:
        """The entropy models of a stage.

        Args:
            stage: from 0; what it may look at of `levels` are the earlier stages.
            output: of the decoder.
            levels: batch × shape of x; where a later stage has yet to come, anything.
        """

    @abstractmethod
    def symbols(self, stage: int, levels: Tensor) -> Symbols:
        """What a stage says of levels, batch × n."""

    @abstractmethod
    def put(self, stage: int, levels: Tensor, symbols: Symbols) -> None:
        """Write into levels what a stage says of them; earlier stages have written."""


def pixel_models(likelihood: Likelihood) -> PixelModels:
    """Those of a likelihood.

    Raises:
        ConfigError: its x is not discrete, or another class than ours says what p(x|z_1) is.
    """
    inner = likelihood.inner if isinstance(likelihood, VectorLikelihood) else likelihood
    if isinstance(inner, Bernoulli) and inner.discrete:
        return BinaryPixels()
    if isinstance(inner, MixtureOfLogistics):
        return LogisticPixels(inner)
    raise ConfigError(
        "likelihood must be bernoulli or mol for lossless coding, which takes a probability of every image, "
        f"got {type(inner).__name__}"
    )


class BinaryPixels(PixelModels):
    """Levels 0 and 1, by the logits that the decoder gives."""

    highest = 1
    stages = 1

    def levels(self, x: Tensor) -> Tensor:
        return x.round().int()

    def x(self, levels: Tensor) -> Tensor:
        return levels.double()

    def from_images(self, images: Tensor) -> Tensor:
        levels = images // _HIGHEST_LEVEL
        grey = images[levels * _HIGHEST_LEVEL != images]
        if len(grey):
            raise DataError(
                "images must be black and white, of levels 0 and 255 alone, as the model's likelihood (bernoulli) is, "
                f"got level {int(grey[0])}: rounded=true makes them so"
            )
        return levels.int()

    def to_images(self, levels: Tensor) -> Tensor:
        return (levels * _HIGHEST_LEVEL).to(torch.uint8)

    def models(self, stage: int, output: Tensor, levels: Tensor) -> Bernoullis:
        return Bernoullis.of(output.sigmoid().flatten(1).numpy())

    def symbols(self, stage: int, levels: Tensor) -> Symbols:
        return levels.flatten(1).numpy()

    def put(self, stage: int, levels: Tensor, symbols: Symbols) -> None:
        levels.copy_(torch.from_numpy(symbols).view_as(levels))


class LogisticPixels(PixelModels):
    """256 levels by a mixture of logistics: for each channel in turn the group of 16 levels, then which of the 16.

    So a pixel takes 34 values of its cumulative distribution in place of 257, and all pixels of a stage are one array.

    Args:
        likelihood: p(x|z_1).
    """

    highest = _HIGHEST_LEVEL

    def __init__(self, likelihood: MixtureOfLogistics) -> None:
        self._likelihood = likelihood
        self.stages = 2 * likelihood.channels

    def levels(self, x: Tensor) -> Tensor:
        return (x * _HIGHEST_LEVEL).round().int()

    def x(self, levels: Tensor) -> Tensor:
        return levels.double() / _HIGHEST_LEVEL

    def from_images(self, images: Tensor) -> Tensor:
        return images.int()

    def to_images(self, levels: Tensor) -> Tensor:
        return levels.to(torch.uint8)

    def models(self, stage: int, output: Tensor, levels: Tensor) -> Tables:
        channel, second = divmod(stage, 2)
        steps = torch.arange(_GROUP + 1)[None, :, None, None]
        if second:
            first_level = (levels[:, channel : channel + 1] >> _HALF_BITS) << _HALF_BITS
            asked, size = first_level + steps, 1
        else:
            asked, size = steps << _HALF_BITS, _GROUP
        cumulative = self._likelihood.cumulative(output, self.x(levels), channel, asked)
        mass = cumulative.diff(dim=1) + size * _FLOOR
        return Tables.of(mass.flatten(2).movedim(1, 2).numpy())

    def symbols(self, stage: int, levels: Tensor) -> Symbols:
        channel, second = divmod(stage, 2)
        of_channel = levels[:, channel].flatten(1)
        wanted = of_channel & (_GROUP - 1) if second else of_channel >> _HALF_BITS
        return np.ascontiguousarray(wanted.numpy())

    def put(self, stage: int, levels: Tensor, symbols: Symbols) -> None:
        channel, second = divmod(stage, 2)
        said = torch.from_numpy(symbols).view_as(levels[:, channel])
        levels[:, channel] = levels[:, channel] + said if second else said << _HALF_BITS
