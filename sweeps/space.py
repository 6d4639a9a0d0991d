"""Where a sweep may look: grids of β, from coarse to fine."""

__all__ = ["BetaGrid", "subdivision_levels"]

import itertools
import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hit.axes import parse_axes


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
