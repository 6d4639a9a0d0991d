"""Where a sweep may look: grids of β, from coarse to fine."""

__all__ = ["BetaGrid", "subdivision_levels"]

import itertools
import math
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hit.errors import ConfigError


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
        for layer, text in texts.items():
            if text and layer > max(layers, 2):
                raise ConfigError(f"grid_{layer} needs a model of {layer} layers, got L = {layers}")
        return cls(
            tuple(
                _axis(f"grid_{layer}", texts[layer]) if texts.get(layer) else (default[layer - 1],)
                for layer in range(1, layers + 1)
            )
        )

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


def _axis(name: str, text: str) -> tuple[float, ...]:
    try:
        if ":" in text:
            low_text, high_text, count_text = text.split(":")
            low, high, count = float(low_text), float(high_text), int(count_text)
            if not (0 < low < high < math.inf and count >= 2):
                raise ValueError
            steps = [low * (high / low) ** (index / (count - 1)) for index in range(count)]
            values = tuple(float(f"{step:.6g}") for step in steps)  # 0.1, not 0.10000000000000002
        else:
            values = tuple(sorted({float(part) for part in text.split(",")}))
            if not all(math.isfinite(value) and value >= 0 for value in values):
                raise ValueError
    except ValueError:
        raise ConfigError(
            f"{name} must be low:high:count with 0 < low < high and count ≥ 2, or values ≥ 0 with commas, got {text!r}"
        ) from None
    return values
