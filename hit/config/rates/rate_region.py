"""Boxes in rate space: between which rates R_1, …, R_L, and their sum R, are to lie or do lie, in nats per image."""

__all__ = ["RateBound", "RateRegion"]

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hit.config.field_types import MOST_NATS
from hit.errors import ConfigError, nearest, shown

if TYPE_CHECKING:  # numpy, which options need not wait for
    import numpy as np
    import numpy.typing as npt

_RATE = re.compile(r"rate(?:_([1-9][0-9]{0,3}))?\Z")


@dataclass(frozen=True)
class RateBound:
    """low ≤ R_l ≤ high, in nats per image.

    Attributes:
        rate: which one: `rate_l` is R_l, and `rate` the sum R over all layers.
        low: 0 where there is no lower end.
        high: inf where there is no upper end.
    """

    rate: str
    low: float
    high: float

    @classmethod
    def parse(cls, text: str, layers: int, option: str) -> "RateBound":
        """'rate_2=2:20', either end left out where there is none.

        Args:
            text: a rate and its interval.
            layers: L.
            option: where the text was given, for the error message.

        Raises:
            ConfigError: it is not of that form, or names a layer that the model does not have.

        >>> RateBound.parse("rate=:60", 2, "region")
        RateBound(rate='rate', low=0.0, high=60.0)
        """
        rate, _, interval = (word.strip() for word in text.partition("="))
        match = _RATE.match(rate)
        if not match:
            raise ConfigError(f"{option} must name rates, got {shown(rate)}{nearest(rate, _rates(layers))}")
        if int(match[1] or 0) > layers:
            raise ConfigError(f"{option} with {rate} needs a model of {match[1]} layers or more, but L = {layers}")
        try:
            low_text, high_text = (end.strip() for end in interval.split(":"))
            low, high = float(low_text or 0), float(high_text or math.inf)
        except ValueError:
            raise ConfigError(
                f"{option} must have {rate}=low:high in nats, either of them left out, got {shown(interval)}"
            ) from None
        if low > MOST_NATS or MOST_NATS < high < math.inf:
            raise ConfigError(
                f"{option} must have ends of at most {MOST_NATS:g} nats for {rate}, got {shown(interval)}"
            )
        if not 0 <= low < high:
            raise ConfigError(f"{option} must have 0 ≤ low < high for {rate}, got {shown(interval)}")
        return cls(rate, low, high)

    def __str__(self) -> str:
        low, high = (f"{end:g}" if 0 < end < math.inf else "" for end in (self.low, self.high))
        return f"{self.rate}={low}:{high}"


@dataclass(frozen=True)
class RateRegion:
    """A box in rate space with bounds on the total rate: low_l ≤ R_l ≤ high_l and total_low ≤ R ≤ total_high.

    All in nats per image.

    Attributes:
        low: of R_1, …, R_L.
        high: of R_1, …, R_L; as parsed, no more than what the bounds on R leave to each.
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
        named: dict[str, RateBound] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            bound = RateBound.parse(part, layers, "region")
            if bound.rate in named:
                raise ConfigError(f"region must name {bound.rate} once, got {shown(text)}")
            named[bound.rate] = bound
        if not named:
            raise ConfigError(f"region must be such as rate_1=5:40,rate_2=2:20,rate=:60, got {shown(text)}")
        total, *own = (named.get(rate, RateBound(rate, 0.0, math.inf)) for rate in _rates(layers))
        low = tuple(bound.low for bound in own)
        if sum(low) >= total.high:
            raise ConfigError(
                f"region must hold some rates, but R is at least {sum(low):g}, the sum of the layers' lower ends, "
                f"and at most {total.high:g}"
            )
        high = tuple(min(bound.high, total.high - sum(low) + bound.low) for bound in own)
        if sum(high) <= total.low:
            raise ConfigError(
                f"region must hold some rates, but R is at most {sum(high):g}, the sum of the layers' upper ends, "
                f"and at least {total.low:g}"
            )
        return cls(low, high, total.low, total.high)

    @classmethod
    def around(cls, rates: "npt.NDArray[np.float64]") -> "RateRegion":
        """The smallest region that holds these rates.

        Args:
            rates: R_1, …, R_L of one or more models in nats per image, N×L.
        """
        total = rates.sum(1)
        return cls(
            low=tuple(map(float, rates.min(0))),
            high=tuple(map(float, rates.max(0))),
            total_low=float(total.min()),
            total_high=float(total.max()),
        )

    @property
    def layers(self) -> int:
        """L."""
        return len(self.low)

    @property
    def bounded(self) -> bool:
        """Whether every rate has an upper end."""
        return all(map(math.isfinite, self.high))

    @property
    def bounds(self) -> tuple[RateBound, ...]:
        """On R_1, …, R_L and R, of those that have an end."""
        total, *own = _rates(self.layers)
        ends = [*zip(own, self.low, self.high, strict=True), (total, self.total_low, self.total_high)]
        return tuple(RateBound(rate, low, high) for rate, low, high in ends if low > 0 or high < math.inf)

    def contains(self, rates: "npt.ArrayLike", rounding: float = 0.0) -> "npt.NDArray[np.bool_]":
        """Which rates lie in the region, its surface included; NaN does not.

        Args:
            rates: R_1, …, R_L in nats per image, in the last axis.
            rounding: share of an end by which rates may lie beyond it.
        """
        import numpy as np

        rates = np.asarray(rates, float)
        points = np.concatenate([rates, rates.sum(-1, keepdims=True)], axis=-1)
        low, high = np.array([*self.low, self.total_low]), np.array([*self.high, self.total_high])
        return np.asarray(((points >= low * (1 - rounding)) & (points <= high * (1 + rounding))).all(-1))

    def scaled(self, rates: "npt.ArrayLike") -> "npt.NDArray[np.float64]":
        """Rates in units of the region's extent along each: its box becomes the unit cube."""
        import numpy as np

        return (np.asarray(rates, float) - self.low) / (np.asarray(self.high) - self.low)

    def unscaled(self, points: "npt.ArrayLike") -> "npt.NDArray[np.float64]":
        """Inverts `scaled`: nats per image."""
        import numpy as np

        return self.low + np.asarray(points, float) * (np.asarray(self.high) - self.low)

    def __str__(self) -> str:
        # A lower end of 0 is written, unlike that of a bound: the text is part of what defines a sweep in the store.
        return ",".join(
            f"{bound.rate}={bound.low:g}:{'' if math.isinf(bound.high) else f'{bound.high:g}'}" for bound in self.bounds
        )


def _rates(layers: int) -> list[str]:
    """Names of R, R_1, …, R_L."""
    return ["rate", *(f"rate_{layer}" for layer in range(1, layers + 1))]
