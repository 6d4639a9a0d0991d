"""Grids of β, one axis a layer or group of layers: `low:high:count`, `low:high:count:linear`, or values with commas."""

__all__ = ["GRID_DEFAULTS", "GRID_HELP", "BetaGrid", "axis_layer", "grid_axes", "parse_axis", "subdivision_levels"]

import itertools
import math
import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from hit.config.field_types import HIGHEST_BETA, LEAST_BETA, MOST_VALUES, whole_number
from hit.config.rates.layer_groups import LayerGroup
from hit.errors import ConfigError, shown

#: Axes of a grid, flat: `grid_1` holds the values of β_1.
GRID_DEFAULTS = {"grid_1": "0.1:10:4", "grid_2": "0.1:10:4"}
GRID_HELP = {
    name: f"values of β_{name[-1]}: low:high:count (log-spaced; with :linear evenly spaced), "
    "or values with commas; empty: 1 alone"
    for name in GRID_DEFAULTS
}
#: A flat name of one axis: of layer 1 (`grid_1`), or of layers 1 to 3 by one value (`grid_1-3`).
_AXIS = re.compile(r"grid_([1-9][0-9]{0,3})(-[1-9][0-9]{0,3})?\Z")


@dataclass(frozen=True)
class BetaGrid:
    """The product of one axis of β a layer, or a group of layers.

    Attributes:
        axes: values of β_1, …, β_L, each strictly increasing.
        tied: groups of layers whose β are one, and whose axes are the same.
    """

    axes: tuple[tuple[float, ...], ...]
    tied: tuple[LayerGroup, ...] = ()

    @classmethod
    def parse(cls, texts: Mapping[int | LayerGroup, str], layers: int, default: tuple[float, ...]) -> "BetaGrid":
        """A grid from one text an axis: `low:high:count` (log-spaced) or values with commas.

        Args:
            texts: layer, or layers, → text; an empty text leaves them at their default.
            layers: L.
            default: β_l of layers without an axis.

        Raises:
            ConfigError: a text is not an axis, or names a layer that the model does not have or that has one already.

        >>> BetaGrid.parse({1: "0.1:10:3", 2: "1,2"}, layers=2, default=(1.0, 1.0)).axes
        ((0.1, 1.0, 10.0), (1.0, 2.0))
        >>> list(BetaGrid.parse({LayerGroup(1, 2): "1,2"}, layers=3, default=(1.0, 1.0, 0.5)))
        [(1.0, 1.0, 0.5), (2.0, 2.0, 0.5)]
        """
        axes: list[tuple[float, ...]] = [(beta,) for beta in default]
        named: dict[int, str] = {}
        tied = []
        for place, text in texts.items():
            if not text:
                continue
            name, own = f"grid_{place}", _layers(place)
            if own[-1] > layers:
                raise ConfigError(
                    f"{name} needs a model of {own[-1]} layers or more, but L = {layers}, got {shown(text)}"
                )
            values = parse_axis(name, text)
            for layer in own:
                if layer in named:
                    raise ConfigError(f"{name} must share no layer with {named[layer]}, got {shown(text)}")
                named[layer], axes[layer - 1] = name, values
            if isinstance(place, LayerGroup) and len(values) > 1:
                tied.append(place)
        return cls(tuple(axes), tuple(sorted(tied)))

    @property
    def free(self) -> list[range]:
        """Of every axis of several values, the layers whose β it gives."""
        inside = {layer for group in self.tied for layer in group.layers}
        single = [range(layer, layer + 1) for layer in range(1, len(self.axes) + 1) if layer not in inside]
        every = [*single, *(group.layers for group in self.tied)]
        return sorted((own for own in every if len(self.axes[own[0] - 1]) > 1), key=lambda own: own[0])

    @property
    def lowest(self) -> float:
        """Of all β."""
        return min(axis[0] for axis in self.axes)

    @property
    def highest(self) -> float:
        """Of all β."""
        return max(axis[-1] for axis in self.axes)

    @property
    def size(self) -> int:
        """How many cells there are, however many."""
        return math.prod(len(self.axes[own[0] - 1]) for own in self.free)

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[tuple[float, ...]]:
        """The cells (β_1, …, β_L) from coarse to fine: corners first, then what halves the gaps.

        However early one stops, what has been visited covers the whole plane evenly.
        """
        axes = [self.axes[own[0] - 1] for own in self.free]
        levels = [subdivision_levels(len(axis)) for axis in axes]
        cells = itertools.product(*(range(len(axis)) for axis in axes))

        def coarseness(cell: tuple[int, ...]) -> tuple[int, int]:
            own = [level[index] for level, index in zip(levels, cell, strict=True)]
            return max(own, default=0), sum(own)

        for cell in sorted(cells, key=coarseness):
            yield self._cell([axis[index] for axis, index in zip(axes, cell, strict=True)])

    def product(self) -> Iterator[tuple[float, ...]]:
        """The cells in the order of their β, β_1 slowest."""
        for values in itertools.product(*(self.axes[own[0] - 1] for own in self.free)):
            yield self._cell(values)

    def _cell(self, values: Sequence[float]) -> tuple[float, ...]:
        """β_1 … β_L where the free axes have these values."""
        betas = [axis[0] for axis in self.axes]
        for own, value in zip(self.free, values, strict=True):
            betas[own[0] - 1 : own[-1]] = [value] * len(own)
        return tuple(betas)


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


def grid_axes(
    typed: Mapping[str, str], layers: Collection[int], usual: Mapping[str, str] = GRID_DEFAULTS
) -> dict[str, str]:
    """`grid_1`, … as they were typed; where they were not, the usual axis of these layers, and none of others.

    >>> grid_axes({"grid_1": "1,2"}, layers=[1, 2]), grid_axes({}, layers=[1])
    ({'grid_1': '1,2', 'grid_2': '0.1:10:4'}, {'grid_1': '0.1:10:4', 'grid_2': ''})
    >>> grid_axes({"grid_1-3": "1,2"}, layers=[1, 2, 3])
    {'grid_1': '', 'grid_2': '', 'grid_1-3': '1,2'}
    """
    named = {layer for name, text in typed.items() if text for layer in _layers(axis_layer(name))}
    left = set(layers) - named
    axes = {name: text if axis_layer(name) in left else "" for name, text in usual.items()}
    return axes | dict(typed)


def axis_layer(name: str) -> int | LayerGroup:
    """The layer of an option, or its layers: 'grid_2' → 2, 'grid_1-3' → 1 to 3.

    Raises:
        ConfigError: it is not called so.
    """
    match = _AXIS.match(name)
    if not match:
        raise ConfigError(f"unknown parameter {shown(name)}; known: grid_1, grid_2, one a layer, or grid_1-3")
    return LayerGroup.parse(name, name, math.inf) if match[2] else int(match[1])


def _layers(place: int | LayerGroup) -> range:
    return place.layers if isinstance(place, LayerGroup) else range(place, place + 1)


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
