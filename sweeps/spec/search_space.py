"""What a search may vary: β or rate targets of the layers, and other fields of the config."""

__all__ = ["Dimension", "SearchSpace", "parse_fields"]

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from hit.config import TrainConfig
from hit.config.field_roles import BETA, Role, is_layered, role_of
from hit.config.part_options import fitting, is_source
from hit.config.parts import PARTS
from hit.config.rates.rate_targets import TARGET
from hit.errors import ConfigError, nearest, shown

_ENTRY = re.compile(r",\s*(?=[A-Za-z_][\w.]*\s*=)")
#: Of which no further dimension can be made: β and rate targets have options of their own.
_UNSEARCHED = frozenset({Role.MACHINE, Role.DATA, Role.RATES, Role.SEED, Role.START})


@dataclass(frozen=True)
class Dimension:
    """One flat field of the config and the values that it may take.

    Attributes:
        name: of the field.
        low: lower end of a number.
        high: upper end.
        log: whether it is the number's logarithm that is searched evenly.
        whole: whether it is a whole number.
        choices: the values of a field that is no number, or of one that takes few; empty for an interval.
    """

    name: str
    low: float = math.nan
    high: float = math.nan
    log: bool = False
    whole: bool = False
    choices: tuple[Any, ...] = ()

    def at(self, place: float) -> Any:
        """The value at a place between 0 and 1; numbers have four digits, so that they read well and repeat."""
        if self.choices:
            return self.choices[min(int(place * len(self.choices)), len(self.choices) - 1)]
        value = self.low * (self.high / self.low) ** place if self.log else self.low + place * (self.high - self.low)
        return self.tidy(value)

    def tidy(self, value: Any) -> Any:
        """A value as it stands in a config."""
        if self.choices:
            return value
        if self.whole:
            return min(max(round(value), int(self.low)), int(self.high))
        return min(max(float(f"{value:.4g}"), self.low), self.high)

    def place(self, value: Any) -> float:
        """Inverts `at`."""
        if self.choices:
            return (self.choices.index(value) + 0.5) / len(self.choices)
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return float((value - self.low) / (self.high - self.low))


@dataclass(frozen=True)
class SearchSpace:
    """The configs that a search may propose.

    Attributes:
        base: what they share.
        dimensions: what they differ in, one or more.
    """

    base: TrainConfig
    dimensions: tuple[Dimension, ...]

    @property
    def fields(self) -> frozenset[str]:
        """Names of the dimensions that are neither β nor targets."""
        return frozenset(one.name for one in self.dimensions if not is_layered(one.name))

    def config(self, values: Mapping[str, Any]) -> TrainConfig:
        """The config with these values of the dimensions.

        Raises:
            ConfigError: they do not go together.
        """
        flat = self.base.to_flat() | {one.name: one.tidy(values[one.name]) for one in self.dimensions}
        return TrainConfig.from_flat(fitting(flat) if self.fields & PARTS.keys() else flat)

    def inside(self, rows: pd.DataFrame) -> tuple[npt.NDArray[np.intp], list[dict[str, Any]]]:
        """Which rows a config of this space describes, and their values of the dimensions.

        A search over β leaves out runs whose β was steered, one over targets those that lack one.

        Args:
            rows: runs that `sweeps.drivers.comparable_runs.comparable` has let through.
        """
        keep = np.ones(len(rows), bool)
        searched = {one.name for one in self.dimensions}
        base = self.base.to_flat()
        for name in (str(name) for name in rows):
            if TARGET.match(name) and name not in searched:
                keep &= _is(rows[name], base.get(name))
            elif BETA.match(name) and name not in searched and name in base and not self._steered(name):
                keep &= _is(rows[name], base[name])
        columns: dict[str, list[Any]] = {}
        for one in self.dimensions:
            column = rows[one.name] if one.name in rows else pd.Series(np.nan, index=rows.index)
            if one.choices:
                keep &= column.isin(one.choices).to_numpy(bool)
            else:
                numbers = pd.to_numeric(column, errors="coerce").to_numpy(float)
                keep &= (numbers >= one.low * (1 - 1e-9)) & (numbers <= one.high * (1 + 1e-9))
            columns[one.name] = column.tolist()
        places = np.flatnonzero(keep)
        return places, [
            {one.name: self._typed(one, columns[one.name][place]) for one in self.dimensions} for place in places
        ]

    def _steered(self, name: str) -> bool:
        """Whether the layer of this β has a target, so that the store holds where β ended, not where it started."""
        layer = name.rpartition("_")[2]
        searched = any(one.name in (f"target_rate_{layer}", "target_rate") for one in self.dimensions)
        return searched or self.base.targets.steered(int(layer))

    @staticmethod
    def _typed(one: Dimension, value: Any) -> Any:
        if one.choices:
            return one.choices[one.choices.index(value)]
        if one.whole:
            return int(value)
        return min(max(float(value), one.low), one.high)


def parse_fields(text: str, base: TrainConfig) -> tuple[Dimension, ...]:
    """Further dimensions: `field=low:high` (log-spaced from above 0 unless `:linear` follows) or `field=a|b|c`.

    Args:
        text: such as `learning_rate=1e-4:1e-2,channels=8|16|32,z_dims=8,20|10,20`; empty for none.
        base: the config whose fields they are.

    Raises:
        ConfigError: an unknown field, one that may not be searched, or values that the config refuses.

    >>> channels, rate = parse_fields("channels=8|16, learning_rate=1e-4:1e-2", TrainConfig())
    >>> channels.choices, rate.low, rate.high, rate.log
    ((8, 16), 0.0001, 0.01, True)
    """
    flat = base.to_flat()
    known = [name for name in flat if role_of(name) not in _UNSEARCHED and not is_source(name)]
    found: dict[str, Dimension] = {}
    for part in filter(None, (part.strip() for part in _ENTRY.split(text))):
        name, equals, values = (piece.strip() for piece in part.partition("="))
        if name not in known:
            raise ConfigError(
                f"space must name fields of the config that decide a result, got {shown(name)}{nearest(name, known)}"
            )
        if not equals or not values:
            raise ConfigError(f"space must have {name}=low:high or {name}=a|b|c, got {shown(part)}")
        if name in found:
            raise ConfigError(f"space must name {name} once, got {shown(text)}")
        found[name] = _interval(name, values, base) if ":" in values else _choices(name, values, base)
    return tuple(found.values())


def _interval(name: str, text: str, base: TrainConfig) -> Dimension:
    ends, _, scale = text.partition(":linear")
    try:
        low, high = map(float, ends.split(":"))
    except ValueError:
        low = high = math.nan
    default = base.to_flat()[name]
    if scale or not low < high < math.inf or isinstance(default, (bool, str)):
        raise ConfigError(
            f"space must have {name}=low:high with numbers low < high, or {name}=a|b|c, got {shown(text)}"
        )
    whole = isinstance(default, int)
    for end in (low, high):
        _value(name, str(int(end)) if whole and end.is_integer() else f"{end:g}", base)
    return Dimension(name, low, high, log=low > 0 and ":linear" not in text, whole=whole)


def _choices(name: str, text: str, base: TrainConfig) -> Dimension:
    values = tuple(dict.fromkeys(_value(name, word.strip(), base) for word in text.split("|")))
    if len(values) < 2:
        raise ConfigError(f"space must have two or more values for {name}, got {shown(text)}")
    return Dimension(name, choices=values)


def _value(name: str, text: str, base: TrainConfig) -> Any:
    """The typed value, once the config has accepted it."""
    flat = base.to_flat() | {name: text}
    config = TrainConfig.from_flat(fitting(flat) if name in PARTS else flat)
    if config.layers != base.layers:
        raise ConfigError(f"space must leave the number of layers at {base.layers}, got {name}={text[:200]}")
    return config.to_flat()[name]


def _is(column: "pd.Series", value: Any) -> npt.NDArray[np.bool_]:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(float)
    return np.asarray(np.isnan(numbers) if value is None else np.isclose(numbers, value, rtol=1e-9, atol=0))
