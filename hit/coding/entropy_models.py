"""Probabilities of whole numbers as the coder sees them: rounded, so that two machines round to the same ones."""

__all__ = ["Bernoullis", "Gaussians", "Models", "Tables", "TOP"]

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import constriction
import numpy as np
from numpy.typing import ArrayLike, NDArray

from hit.errors import Diverged

Floats = NDArray[np.float64]

_FAMILIES = constriction.stream.model
#: Means and standard deviations of Gaussians are multiples of 1/16 of a step.
_FRACTIONS = 16
#: Means are kept within so many steps, where float64 still has all their fractions.
_FARTHEST = 2.0**24
#: Probabilities of ones are multiples of so much.
_BERNOULLI_STEP = 2.0**-20
#: Frequencies of a row of a table add up to about so many.
TOP = 2**20


@dataclass(frozen=True)
class Models(ABC):
    """Independent distributions of whole numbers: batch × n of them, or n in a `row`."""

    @abstractmethod
    def row(self, index: int) -> Self:
        """Those of one example."""

    @abstractmethod
    def arguments(self) -> tuple[Any, ...]:
        """What constriction's coder takes for a row: a family and its parameters, arrays of length n."""


@dataclass(frozen=True)
class Gaussians(Models):
    """N(mean, std²) of k = −reach … reach, in units of one step: P(k) is the mass from k − ½ to k + ½.

    Each k has at least a probability of 2⁻²⁴, so that any can be coded.

    Args:
        mean: batch × n.
        std: the same shape, positive.
        reach: the largest |k|.
    """

    mean: Floats
    std: Floats
    reach: int

    @classmethod
    def of(cls, mean: ArrayLike, std: ArrayLike, reach: int) -> Self:
        """Rounded, so that what differs in the last digits only gives the same numbers.

        Raises:
            Diverged: a parameter is not finite.
        """
        means = np.clip(finite(mean, "a mean of z"), -_FARTHEST, _FARTHEST)
        widths = np.minimum(finite(std, "a standard deviation of z"), _FARTHEST)
        fractions = np.maximum(np.rint(widths * _FRACTIONS), 1)
        return cls(np.rint(means * _FRACTIONS) / _FRACTIONS, fractions / _FRACTIONS, reach)

    def row(self, index: int) -> Self:
        return type(self)(self.mean[index], self.std[index], self.reach)

    def arguments(self) -> tuple[Any, ...]:
        return _FAMILIES.QuantizedGaussian(-self.reach, self.reach), self.mean, self.std


@dataclass(frozen=True)
class Bernoullis(Models):
    """P(1) of 0 or 1.

    Args:
        ones: batch × n, in (0, 1).
    """

    ones: Floats

    @classmethod
    def of(cls, ones: ArrayLike) -> Self:
        """Rounded to multiples of 2⁻²⁰, none of them 0 or 1.

        Raises:
            Diverged: a probability is not finite.
        """
        steps = np.rint(finite(ones, "a pixel's probability") / _BERNOULLI_STEP)
        return cls(np.clip(steps, 1, 1 / _BERNOULLI_STEP - 1) * _BERNOULLI_STEP)

    def row(self, index: int) -> Self:
        return type(self)(self.ones[index])

    def arguments(self) -> tuple[Any, ...]:
        return _FAMILIES.Bernoulli(perfect=False), self.ones


@dataclass(frozen=True)
class Tables(Models):
    """P(k) of k = 0 … K − 1 by whole frequencies.

    Args:
        frequencies: batch × n × K, whole numbers of 1 or more as float32, which add up to less than 2²⁴.
    """

    frequencies: NDArray[np.float32]

    @classmethod
    def of(cls, probabilities: ArrayLike) -> Self:
        """Rounded to about 2²⁰ parts, none of them 0.

        Args:
            probabilities: batch × n × K, in any unit: each row of K is divided by its sum.

        Raises:
            Diverged: a probability is not finite.
        """
        given = np.maximum(finite(probabilities, "a probability"), 0)
        total = given.sum(-1, keepdims=True)
        shares = np.divide(given, total, out=np.full_like(given, 1 / given.shape[-1]), where=total > 0)
        return cls((np.rint(shares * TOP) + 1).astype(np.float32))

    def row(self, index: int) -> Self:
        return type(self)(self.frequencies[index])

    def arguments(self) -> tuple[Any, ...]:
        return _FAMILIES.Categorical(perfect=False), self.frequencies


def finite(values: ArrayLike, what: str) -> Floats:
    """As float64, all of them numbers.

    Raises:
        Diverged: one is NaN or infinite.
    """
    array = np.asarray(values, np.float64)
    if not np.isfinite(array).all():
        raise Diverged(f"the model gives {what} that is not finite")
    return array
