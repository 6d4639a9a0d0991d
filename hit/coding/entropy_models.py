"""Probabilities of whole numbers as the coder sees them: rounded, so that two machines round to the same ones."""

__all__ = ["Bernoullis", "Gaussians", "Models", "Part", "Tables", "WindowedGaussians"]

from abc import ABC, abstractmethod
from collections.abc import Iterator
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
#: Half widths of windows, and after how many standard deviations one may end.
_WINDOWS = (8, 12, 18, 27, 40, 60, 90, 135, 203, 305, 457, 686, 1029, 1544, 2316, 3474, 5211, 7816, 11725, 17587)
_CUT_OFF = 5.5
#: Probabilities of ones are multiples of so much.
_BERNOULLI_STEP = 2.0**-20
#: Frequencies of a row of a table add up to about so many.
_FREQUENCIES = 2**20


@dataclass(frozen=True)
class Part:
    """Some of a row's distributions, which are of one family.

    Attributes:
        family: constriction's.
        parameters: arrays, as the family takes them.
        places: which of the row; None: all.
        offsets: what the coder's numbers have to be added to, shaped like them; None: nothing.
    """

    family: Any
    parameters: tuple[NDArray[Any], ...]
    places: NDArray[np.intp] | None = None
    offsets: NDArray[np.int32] | None = None


@dataclass(frozen=True)
class Models(ABC):
    """Independent distributions of whole numbers: batch × n of them, or n in a `row`."""

    @abstractmethod
    def row(self, index: int) -> Self:
        """Those of one example."""

    @abstractmethod
    def parts(self) -> Iterator[Part]:
        """A row, cut into what constriction's coder takes at once, in the order in which it is popped."""

    @property
    @abstractmethod
    def count(self) -> int:
        """n, of a row."""


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

    def parts(self) -> Iterator[Part]:
        yield Part(_FAMILIES.QuantizedGaussian(-self.reach, self.reach), (self.mean, self.std))

    @property
    def count(self) -> int:
        return len(self.mean)


@dataclass(frozen=True)
class WindowedGaussians(Models):
    """The same, each cut off at some 5½ to 8 standard deviations.

    The least probability that a coder has, 2⁻²⁴, would draw a number somewhere in a wide range every few thousand
    times, of a narrow Gaussian one that it all but rules out. So each is coded within a window around its mean, of a
    few sizes, that are coded one after the other.

    Args:
        mean: batch × n, from the window's middle.
        std: the same shape.
        middles: of the windows, whole numbers.
        sizes: half widths of the windows.
    """

    mean: Floats
    std: Floats
    middles: NDArray[np.int32]
    sizes: NDArray[np.intp]

    @classmethod
    def of(cls, mean: ArrayLike, std: ArrayLike, reach: int) -> Self:
        """Rounded as `Gaussians` are; all numbers are from −reach to reach.

        Raises:
            Diverged: a parameter is not finite.
        """
        wide = Gaussians.of(mean, std, reach)
        windows = np.array([*(one for one in _WINDOWS if one < reach), reach])
        sizes = np.minimum(np.searchsorted(windows, wide.std * _CUT_OFF), len(windows) - 1)
        most = reach - windows[sizes]
        middles = np.clip(np.rint(wide.mean), -most, most)
        return cls(wide.mean - middles, wide.std, middles.astype(np.int32), windows[sizes])

    def row(self, index: int) -> Self:
        return type(self)(self.mean[index], self.std[index], self.middles[index], self.sizes[index])

    def parts(self) -> Iterator[Part]:
        for size in np.unique(self.sizes):
            places = np.flatnonzero(self.sizes == size)
            family = _FAMILIES.QuantizedGaussian(-int(size), int(size))
            yield Part(family, (self.mean[places], self.std[places]), places, self.middles[places])

    @property
    def count(self) -> int:
        return len(self.mean)


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

    def parts(self) -> Iterator[Part]:
        yield Part(_FAMILIES.Bernoulli(perfect=False), (self.ones,))

    @property
    def count(self) -> int:
        return len(self.ones)


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
        return cls((np.rint(shares * _FREQUENCIES) + 1).astype(np.float32))

    def row(self, index: int) -> Self:
        return type(self)(self.frequencies[index])

    def parts(self) -> Iterator[Part]:
        yield Part(_FAMILIES.Categorical(perfect=False), (self.frequencies,))

    @property
    def count(self) -> int:
        return len(self.frequencies)


def finite(values: ArrayLike, what: str) -> Floats:
    """As float64, all of them numbers.

    Raises:
        Diverged: one is NaN or infinite.
    """
    array = np.asarray(values, np.float64)
    if not np.isfinite(array).all():
        raise Diverged(f"the model gives {what} that is not finite")
    return array
