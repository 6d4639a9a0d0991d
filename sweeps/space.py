"""Where a sweep may look: grids of β, from coarse to fine, and regions of rate space."""

__all__ = ["BetaGrid", "RateRegion", "subdivision_levels"]

import itertools
import math
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hit.axes import parse_axes
from hit.bounds import MOST_NATS
from hit.errors import ConfigError, nearest, shown

_RATE = re.compile(r"rate(?:_([1-9][0-9]{0,3}))?\Z")


@dataclass(frozen=True)
class BetaGrid:
    """The product of one axis of β a layer.

    Attributes:
        axes: values of β_1, …, β_L, each strictly increasing.
    """

    axes: tuple[tuple[float, ...], ...]

    @classmethod
    def parse(cls, texts: Mapping[int, str], layers: int, default: tuple[float, ...]) -> "BetaGrid":
        """A grid from one text a layer: `low:high:count` (log-spaced) or values with commas.

        Args:
            texts: layer → text; an empty text leaves the layer at its default.
            layers: L.
            default: β_l of layers without an axis.

        Raises:
            ConfigError: a text is not an axis, or names a layer that the model does not have.

        >>> BetaGrid.parse({1: "0.1:10:3", 2: "1,2"}, layers=2, default=(1.0, 1.0)).axes
        ((0.1, 1.0, 10.0), (1.0, 2.0))
        """
        return cls(parse_axes(texts, layers, default))

    @property
    def lowest(self) -> float:
        """Of all β."""
        return min(axis[0] for axis in self.axes)

    @property
    def highest(self) -> float:
        """Of all β."""
        return max(axis[-1] for axis in self.axes)

    def __len__(self) -> int:
        return math.prod(map(len, self.axes))

    def __iter__(self) -> Iterator[tuple[float, ...]]:
        """The cells (β_1, …, β_L) from coarse to fine: corners first, then what halves the gaps.

        However early one stops, what has been visited covers the whole plane evenly.
        """
        levels = [subdivision_levels(len(axis)) for axis in self.axes]
        cells = itertools.product(*(range(len(axis)) for axis in self.axes))

        def coarseness(cell: tuple[int, ...]) -> tuple[int, int]:
            own = [level[index] for level, index in zip(levels, cell, strict=True)]
            return max(own), sum(own)

        for cell in sorted(cells, key=coarseness):
            yield tuple(axis[index] for axis, index in zip(self.axes, cell, strict=True))


@dataclass(frozen=True)
class RateRegion:
    """A box in rate space with a bound on the total rate: where low_l ≤ R_l ≤ high_l and R ≤ total_high.

    All in nats per image.

    Attributes:
        low: of R_1, …, R_L.
        high: of R_1, …, R_L; no more than what the bounds on R leave to each.
        total_low: of R.
        total_high: of R.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    total_low: float = 0.0
    total_high: float = math.inf

    @classmethod
    def parse(cls, text: str, layers: int) -> "RateRegion":
        """A region from intervals `low:high` of rates, with commas; an end that is left out is open.

        Args:
            text: such as `rate_1=5:40,rate_2=2:20,rate=:60`; a rate that is not named has no bound.
            layers: L.

        Raises:
            ConfigError: the text is no region of a model of L layers, or no rates are in it.

        >>> RateRegion.parse("rate_1=5:40, rate_2=2:20, rate=:50", 2)
        RateRegion(low=(5.0, 2.0), high=(40.0, 20.0), total_low=0.0, total_high=50.0)
        >>> RateRegion.parse("rate=:10", 2).high
        (10.0, 10.0)
        """
        bounds = {0: (0.0, math.inf)} | dict.fromkeys(range(1, layers + 1), (0.0, math.inf))
        named: set[int] = set()
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, interval = (word.strip() for word in part.partition("="))
            match = _RATE.match(name)
            if not match:
                known = ["rate", *(f"rate_{layer}" for layer in range(1, layers + 1))]
                raise ConfigError(f"region must name rates, got {shown(name)}{nearest(name, known)}")
            layer = int(match[1] or 0)
            if layer > layers:
                raise ConfigError(f"region with {name} needs a model of {layer} layers or more, but L = {layers}")
            if layer in named:
                raise ConfigError(f"region must name {name} once, got {shown(text)}")
            named.add(layer)
            bounds[layer] = _interval(name, interval)
        if not named:
            raise ConfigError(f"region must be such as rate_1=5:40,rate_2=2:20,rate=:60, got {shown(text)}")
        total_low, total_high = bounds.pop(0)
        low = tuple(bounds[layer][0] for layer in range(1, layers + 1))
        if sum(low) >= total_high:
            raise ConfigError(
                f"region must hold some rates, but R is at least {sum(low):g}, the sum of the layers' lower ends, "
                f"and at most {total_high:g}"
            )
        high = tuple(min(bounds[layer][1], total_high - sum(low) + low[layer - 1]) for layer in range(1, layers + 1))
        if sum(high) <= total_low:
            raise ConfigError(
                f"region must hold some rates, but R is at most {sum(high):g}, the sum of the layers' upper ends, "
                f"and at least {total_low:g}"
            )
        return cls(low, high, total_low, total_high)

    @property
    def layers(self) -> int:
        """L."""
        return len(self.low)

    @property
    def bounded(self) -> bool:
        """Whether every rate has an upper end."""
        return all(map(math.isfinite, self.high))

    def contains(self, rates: npt.ArrayLike) -> "npt.NDArray[np.bool_]":
        """Which rates lie in the region, its surface included; NaN does not.

        Args:
            rates: R_1, …, R_L in nats per image, in the last axis.
        """
        rates = np.asarray(rates, float)
        total = rates.sum(-1)
        inside = ((rates >= self.low) & (rates <= self.high)).all(-1)
        return np.asarray(inside & (total >= self.total_low) & (total <= self.total_high))

    def scaled(self, rates: npt.ArrayLike) -> "npt.NDArray[np.float64]":
        """Rates in units of the region's extent along each: its box becomes the unit cube."""
        return (np.asarray(rates, float) - self.low) / (np.asarray(self.high) - self.low)

    def unscaled(self, points: npt.ArrayLike) -> "npt.NDArray[np.float64]":
        """Inverts `scaled`: nats per image."""
        return self.low + np.asarray(points, float) * (np.asarray(self.high) - self.low)

    def sample(self, count: int, seed: int = 0) -> "npt.NDArray[np.float64]":
        """`count` rates drawn evenly from the region, count×L, nats per image.

        Raises:
            ConfigError: the region has no end.
        """
        if not self.bounded:
            raise ConfigError(f"region must have an upper end for every rate, or for R, got {self}")
        generator = np.random.default_rng(seed)
        found: list[npt.NDArray[np.float64]] = []
        while sum(map(len, found)) < count:
            drawn = self.unscaled(generator.random((4 * count + 1000, self.layers)))
            found.append(drawn[self.contains(drawn)])
        return np.concatenate(found)[:count]

    def volume(self) -> float:
        """Of the region, in nats per image to the power L; inf where it has no end.

        The share of the box below the plane R = t is a sum over the box's corners: (−1)^(upper ends) · max(0, t − R)^L
        divided by L! times the box's volume.
        """
        if not self.bounded:
            return math.inf
        return self._below(self.total_high) - self._below(self.total_low)

    def _below(self, total: float) -> float:
        box = math.prod(high - low for low, high in zip(self.low, self.high, strict=True))
        if total >= sum(self.high):
            return box
        corners = itertools.product(*zip(self.low, self.high, strict=True))
        signs = itertools.product(*((1, -1) for _ in self.low))
        terms = (
            math.prod(sign) * max(0.0, total - sum(corner)) ** self.layers
            for corner, sign in zip(corners, signs, strict=True)
        )
        return math.fsum(terms) / math.factorial(self.layers)

    def __str__(self) -> str:
        ends = [*zip(self.low, self.high, strict=True), (self.total_low, self.total_high)]
        names = [*(f"rate_{layer}" for layer in range(1, self.layers + 1)), "rate"]
        return ",".join(
            f"{name}={low:g}:{'' if math.isinf(high) else f'{high:g}'}"
            for name, (low, high) in zip(names, ends, strict=True)
            if low > 0 or high < math.inf
        )


def subdivision_levels(count: int) -> list[int]:
    """Level at which each of `count` points on a line is reached when gaps are halved; the ends have level 0.

    >>> subdivision_levels(5)
    [0, 2, 1, 2, 0]
    """
    levels = [0] * count
    gaps = deque([(0, count - 1, 1)])
    while gaps:
        low, high, level = gaps.popleft()
        if high - low < 2:
            continue
        middle = (low + high) // 2
        levels[middle] = level
        gaps += [(low, middle, level + 1), (middle, high, level + 1)]
    return levels


def _interval(name: str, text: str) -> tuple[float, float]:
    """'2:20' → (2.0, 20.0); ends that are left out are 0 and inf."""
    try:
        low_text, high_text = text.split(":")
        low = float(low_text) if low_text.strip() else 0.0
        high = float(high_text) if high_text.strip() else math.inf
    except ValueError:
        raise ConfigError(
            f"region must have {name}=low:high in nats, either of them left out, got {shown(text)}"
        ) from None
    if low > MOST_NATS or MOST_NATS < high < math.inf:
        raise ConfigError(f"region must have ends of at most {MOST_NATS:g} nats for {name}, got {shown(text)}")
    if not 0 <= low < high:
        raise ConfigError(f"region must have 0 ≤ low < high for {name}, got {shown(text)}")
    return low, high
