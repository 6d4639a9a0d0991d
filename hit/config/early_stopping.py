"""Rules that end a run before its last epoch, as text: its rates have settled out of bounds, or others do better."""

__all__ = ["EARLY_STOPPING_HELP", "PRUNERS", "EarlyStopping", "PrunerRule"]

import math
from dataclasses import dataclass

from hit.config.rates.rate_region import RateBound
from hit.errors import ConfigError, nearest, shown
from hit.schema import layer_metrics, metric

#: Optuna's pruners by name: how each is written, and how few and how many numbers follow its name.
PRUNERS = {
    "median": ("median or median:WARMUP (epochs)", 0, 1),
    "percentile": ("percentile:KEPT (the best KEPT % go on) or percentile:KEPT:WARMUP (epochs)", 1, 2),
    "halving": ("halving or halving:FIRST (epochs until the first comparison)", 0, 1),
    "hyperband": ("hyperband or hyperband:FIRST (epochs until the first comparison)", 0, 1),
    "threshold": ("threshold:LOW:HIGH", 2, 2),
}
EARLY_STOPPING_HELP = (
    "end runs early, rules with commas: bounds in nats outside of which a rate has settled (rate_2=2:20), a pruner "
    "(median, percentile:25, halving, hyperband, threshold:0:200@train/distortion); empty: none"
)


#: No training has more.
_MOST_EPOCHS = 1e6


@dataclass(frozen=True)
class PrunerRule:
    """A pruner by name.

    Attributes:
        name: one of `PRUNERS`.
        numbers: what it takes: `median` and the last of `percentile` epochs before it judges (else a quarter of
            them all), `percentile` how many per cent go on, `halving` and `hyperband` epochs until the first
            comparison (else a ninth), `threshold` the ends of what is allowed.
        metric: the metric of an epoch that it compares.
    """

    name: str
    numbers: tuple[float, ...] = ()
    metric: str = "train/elbo"

    @classmethod
    def parse(cls, text: str, layers: int) -> "PrunerRule":
        """'median', 'percentile:25', 'median@train/distortion'.

        Raises:
            ConfigError: naming what is wrong, with the nearest known name.
        """
        rule, at, metric_name = (word.strip() for word in text.partition("@"))
        name, *words = rule.split(":")
        if name not in PRUNERS:
            known = [*PRUNERS, "region"]
            raise ConfigError(
                f"early_stopping must name a pruner or bound a rate, got {shown(name)}{nearest(name, known)}"
            )
        usage, fewest, most = PRUNERS[name]
        try:
            numbers = tuple(map(float, words))
        except ValueError:
            numbers = (math.nan,)
        if not (fewest <= len(numbers) <= most and _legal(name, numbers)):
            raise ConfigError(f"early_stopping must be {usage}, got {shown(rule)}")
        metric_name = metric_name if at else cls.metric
        known = [entry.name for entry in layer_metrics(layers) if entry.name.startswith("train/")]
        known = [entry for entry in known if name == "threshold" or metric(entry).direction]
        if metric_name not in known:
            raise ConfigError(
                f"early_stopping must compare a metric of an epoch that has a better end, got {shown(metric_name)}"
                f"{nearest(metric_name, known)}"
            )
        return cls(name, numbers, metric_name)

    def __str__(self) -> str:
        return ":".join([self.name, *(f"{number:g}" for number in self.numbers)]) + f"@{self.metric}"


@dataclass(frozen=True)
class EarlyStopping:
    """When a run is to be ended early.

    Attributes:
        bounds: on its rates.
        pruner: who compares it with others; None for nobody.
    """

    bounds: tuple[RateBound, ...] = ()
    pruner: PrunerRule | None = None

    @classmethod
    def parse(cls, text: str, layers: int, region: str = "") -> "EarlyStopping":
        """From bounds and at most one pruner, with commas.

        Args:
            text: such as `rate_2=2:20,rate=:60,median@train/distortion`; empty for no rule.
            layers: L.
            region: bounds that the word `region` stands for.

        Raises:
            ConfigError: naming what is wrong, with the nearest known name.

        >>> EarlyStopping.parse("rate_2=2:20, percentile:25", 2).pruner
        PrunerRule(name='percentile', numbers=(25.0,), metric='train/elbo')
        """
        parts = _parts(text)
        if "region" in parts:
            if not region:
                raise ConfigError(f"early_stopping must not name a region where the sweep has none, got {shown(text)}")
            parts = [*(part for part in parts if part != "region"), *_parts(region)]
        bounds = tuple(RateBound.parse(part, layers, "early_stopping") for part in parts if "=" in part)
        pruners = [PrunerRule.parse(part, layers) for part in parts if "=" not in part]
        if len(pruners) > 1:
            raise ConfigError(f"early_stopping must name one pruner, got {shown(text)}")
        return cls(bounds, pruners[0] if pruners else None)

    def __str__(self) -> str:
        return ",".join([*map(str, self.bounds), *([str(self.pruner)] if self.pruner else [])])


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _legal(name: str, numbers: tuple[float, ...]) -> bool:
    if name == "threshold":
        return numbers[0] < numbers[1]
    return all(0 <= number <= _MOST_EPOCHS for number in numbers) and (name != "percentile" or numbers[0] <= 100)
