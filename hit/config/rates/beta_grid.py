"""Grids of β, one axis a layer: `low:high:count`, `low:high:count:linear`, or values with commas."""

__all__ = ["GRID_DEFAULTS", "GRID_HELP", "BetaGrid", "axis_layer", "grid_axes", "parse_axis", "subdivision_levels"]

import itertools
import math
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hit.config.field_types import HIGHEST_BETA, LEAST_BETA, MOST_VALUES, whole_number
from hit.errors import ConfigError, shown

#: Axes of a grid, flat: `grid_1` holds the values of β_1.
GRID_DEFAULTS = {"grid_1": "0.1:10:4", "grid_2": "0.1:10:4"}
GRID_HELP = {
    name: f"values of β_{name[-1]}: low:high:count (log-spaced; with :linear evenly spaced), "
    "or values with commas; empty: 1 alone"
    for name in GRID_DEFAULTS
}


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
            if text and layer > layers:
                raise ConfigError(
                    f"grid_{layer} needs a model of {layer} layers or more, but L = {layers}, got {shown(text)}"
                )
        return cls(
            tuple(
                parse_axis(f"grid_{layer}", texts[layer]) if texts.get(layer) else (default[layer - 1],)
                for layer in range(1, layers + 1)
            )
        )

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


def parse_axis(name: str, text: str) -> tuple[float, ...]:
    """The values of one axis, strictly increasing.

    Args:
        name: of the option, for the error message.
        text: `low:high:count` (log-spaced), `low:high:count:linear` (evenly spaced) or values ≥ 0 with commas.

    Raises:
        ConfigError: the text is none of these.

    >>> parse_axis("grid_1", "0.1:10:3")
    (0.1, 1.0, 10.0)
    >>> parse_axis("grid_1", "0:2:5:linear")
    (0.0, 0.5, 1.0, 1.5, 2.0)
    >>> parse_axis("grid_1", "2,1")
    (1.0, 2.0)
    """
    try:
        if ":" in text:
            low_text, high_text, count_text, *spacing = (word.strip() for word in text.split(":"))
            low, high, count = float(low_text), float(high_text), whole_number(count_text) or 0
            linear = spacing == ["linear"]
            if not (0 <= low < high and count >= 2 and (linear or (low > 0 and not spacing))):
                raise ValueError
            _check_bounds(name, text, [end for end in (low, high) if end], count)
            shares = [index / (count - 1) for index in range(count)]
            steps = [low + (high - low) * share if linear else low * (high / low) ** share for share in shares]
            # 0.1, not 0.10000000000000002; ends that lie so near to each other are one value.
            values = tuple(dict.fromkeys(float(f"{step:.6g}") for step in steps))
        else:
            values = tuple(sorted({float(part) for part in text.split(",")}))
            if not all(value >= 0 for value in values):
                raise ValueError
            _check_bounds(name, text, [value for value in values if value], len(values))
    except ValueError:
        raise ConfigError(
            f"{name} must be low:high:count with 0 < low < high and count ≥ 2, the same with :linear after it, "
            f"or values ≥ 0 with commas, got {shown(text)}"
        ) from None
    return values


def grid_axes(typed: Mapping[str, str], layers: Collection[int]) -> dict[str, str]:
    """`grid_1`, … as they were typed; where they were not, the usual axis of these layers, and none of others.

    >>> grid_axes({"grid_1": "1,2"}, layers=[1, 2]), grid_axes({}, layers=[1])
    ({'grid_1': '1,2', 'grid_2': '0.1:10:4'}, {'grid_1': '0.1:10:4', 'grid_2': ''})
    """
    return {name: text if axis_layer(name) in layers else "" for name, text in GRID_DEFAULTS.items()} | dict(typed)


def axis_layer(name: str) -> int:
    """The layer of an option: 'grid_2' → 2.

    Raises:
        ConfigError: it is not called so.
    """
    beginning, _, text = name.partition("_")
    layer = whole_number(text)
    if beginning != "grid" or not layer:
        raise ConfigError(f"unknown parameter {shown(name)}; known: grid_1, grid_2, one a layer")
    return layer


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


def _check_bounds(name: str, text: str, betas: Sequence[float], count: int) -> None:
    """Raise ConfigError where β other than 0, or their number, are beyond what can be meant."""
    if not all(LEAST_BETA <= beta <= HIGHEST_BETA for beta in betas):
        raise ConfigError(f"{name} must hold 0 or β from {LEAST_BETA:g} to {HIGHEST_BETA:g}, got {shown(text)}")
    if count > MOST_VALUES:
        raise ConfigError(f"{name} must hold at most {MOST_VALUES} values, got {shown(text)}")
