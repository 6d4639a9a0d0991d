"""Rate targets: the rates that a run is asked to end with, in place of the β that would give them."""

__all__ = [
    "BETA_HIGH",
    "BETA_LOW",
    "FAR_ABOVE",
    "MISSED_ABOVE",
    "TARGET",
    "TARGET_DEFAULTS",
    "TARGET_LAYERED",
    "RateTarget",
    "RateTargets",
    "check_targets",
]

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hit.config.field_types import MOST_NATS
from hit.config.rates.layer_groups import LayerGroup
from hit.errors import ConfigError, shown

#: A flat name of one target: of layer 1 (`target_rate_1`), of the sum of layers 4 to 6 (`target_rate_4-6`), or of the
#: total rate (`target_rate`); `max_…`: upper bounds.
TARGET = re.compile(r"(target|max)_rate(?:_([1-9][0-9]{0,3})(?:-([1-9][0-9]{0,3}))?)?\Z")

#: Every target that has an option of its own; further layers' are taken, too. Empty: none.
TARGET_DEFAULTS = dict.fromkeys(
    ("target_rate_1", "target_rate_2", "target_rate", "max_rate_1", "max_rate_2", "max_rate"), ""
)

#: Beginnings of the options that exist for every layer.
TARGET_LAYERED = ("target_rate_", "max_rate_")

#: What β of a layer with a target is kept between.
BETA_LOW, BETA_HIGH = 1e-4, 1e4
#: A target is missed where the rate's relative error is above this.
MISSED_ABOVE = 0.05
#: One that is missed by more than this was out of reach in the epochs that there were, wherever β is.
FAR_ABOVE = 0.5


@dataclass(frozen=True)
class RateTarget:
    """One rate that is asked for.

    Attributes:
        nats: per image.
        upper: whether it is an upper bound rather than the rate itself.
    """

    nats: float
    upper: bool = False

    def __str__(self) -> str:
        return f"{'≤' if self.upper else '='}{self.nats:.4g}"


@dataclass(frozen=True)
class RateTargets:
    """All targets of a run.

    Attributes:
        layers: of R_1, …, R_L, None for a layer without one; empty where no layer has one and L does not matter.
        total: of R.
        groups: of sums of rates: groups that share no layer with each other or with a layer that has its own.
    """

    layers: tuple[RateTarget | None, ...] = ()
    total: RateTarget | None = None
    groups: tuple[tuple[LayerGroup, RateTarget], ...] = ()

    def __bool__(self) -> bool:
        return self.total is not None or bool(self.groups) or any(self.layers)

    @classmethod
    def parse(cls, flat: Mapping[str, Any], layers: int) -> "RateTargets":
        """From flat parameters, as strings or numbers; empty ones are none.

        Args:
            flat: names that `TARGET` matches → values.
            layers: L.

        Raises:
            ConfigError: a value is no positive number, a layer does not exist, or targets exclude each other.

        >>> RateTargets.parse({"target_rate_1": "30", "target_rate_2-3": 5, "max_rate": "50"}, 4).to_flat()
        {'target_rate_1': 30.0, 'target_rate_2-3': 5.0, 'max_rate': 50.0}
        """
        found: dict[int, tuple[str, RateTarget]] = {}  # 0: the total
        groups: dict[LayerGroup, tuple[str, RateTarget]] = {}
        for name, value in flat.items():
            match = TARGET.match(name)
            assert match
            nats = _nats(name, value)
            if nats is None:
                continue
            target = RateTarget(nats, match[1] == "max")
            if match[3]:
                group = LayerGroup.parse(name, value, layers)
                if group in groups:
                    raise ConfigError(f"{name} must be empty where {groups[group][0]} is given, got {shown(value)}")
                groups[group] = name, target
                continue
            layer = int(match[2] or 0)
            if layer > layers:
                raise ConfigError(
                    f"{name} needs a model of {layer} layers or more, but L = {layers}, got {shown(value)}"
                )
            if layer in found:
                raise ConfigError(f"{name} must be empty where {found[layer][0]} is given, got {shown(value)}")
            found[layer] = name, target
        if not found and not groups:
            return cls()
        _check_apart(groups, found)
        own = [found[layer][1] if layer in found else None for layer in range(1, layers + 1)]
        of_groups = tuple((group, groups[group][1]) for group in sorted(groups))
        if 0 in found:
            _check_total(*found[0], own, of_groups)
        return cls(tuple(own), found[0][1] if 0 in found else None, of_groups)

    def named(self) -> list[tuple[str, RateTarget]]:
        """End of the flat name → target, of those that there are: of layers, of groups, of the total rate."""
        own = [(f"_{layer}", target) for layer, target in enumerate(self.layers, start=1) if target is not None]
        groups = [(f"_{group}", target) for group, target in self.groups]
        return own + groups + ([("", self.total)] if self.total is not None else [])

    def to_flat(self) -> dict[str, float]:
        """Flat names → nats, of the targets that there are; `parse` inverts it."""
        return {f"{'max' if one.upper else 'target'}_rate{end}": one.nats for end, one in self.named()}

    def rates(self, split: str, metrics: Mapping[str, float]) -> dict[str, float]:
        """What every target is a target of, by the end of its flat name, from metrics in schema names."""
        sums = {
            f"_{group}": sum(metrics[f"{split}/rate_{layer}"] for layer in group.layers) for group, _ in self.groups
        }
        return {end: sums[end] if end in sums else metrics[f"{split}/rate{end}"] for end, _ in self.named()}

    def relative_errors(self, split: str, metrics: Mapping[str, float]) -> dict[str, float]:
        """R / target − 1 of every target, from and as metrics in schema names (`{split}/rate_…`)."""
        rates = self.rates(split, metrics)
        return {f"{split}/rate_error{end}": rates[end] / one.nats - 1 for end, one in self.named()}

    def missed(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """Flat name → R / target − 1 of the targets that the test set's rates miss by more than 5 %.

        An upper bound is missed from above alone.
        """
        errors = zip(self.to_flat(), self.relative_errors("test", metrics).values(), strict=True)
        return {
            asked: error for asked, error in errors if (error if asked.startswith("max") else abs(error)) > MISSED_ABOVE
        }

    def steered(self, layer: int) -> bool:
        """Whether a target moves β of this layer: its own, its group's, or that of the total rate."""
        own = self.layers[layer - 1] if layer <= len(self.layers) else None
        grouped = any(layer in group.layers for group, _ in self.groups)
        return own is not None or grouped or self.total is not None

    def check_betas(self, betas: Sequence[float]) -> None:
        """Raise ConfigError unless steering can begin at these β_1 … β_L."""
        for layer, beta in enumerate(betas, start=1):
            if self.steered(layer) and not BETA_LOW <= beta <= BETA_HIGH:
                raise ConfigError(
                    f"beta_{layer} must be from {BETA_LOW:g} to {BETA_HIGH:g} where a rate target moves it, "
                    f"got {beta:g}"
                )


def check_targets(targets: RateTargets, image_shape: tuple[int, ...], levels: int) -> None:
    """Raise ConfigError where exact targets are above what images of this shape can hold.

    A code for an image needs no more than ln(levels) nats a pixel and channel.

    Args:
        targets: of the run.
        image_shape: (C, H, W), or (D,) of vectors.
        levels: that a pixel, or a feature, can have for the likelihood.
    """
    capacity = math.prod(image_shape) * math.log(levels)
    for name, nats in targets.to_flat().items():
        if name.startswith("target") and nats > capacity:
            shape = "×".join(map(str, image_shape))
            numbers = "pixels" if image_shape[1:] else "features"
            raise ConfigError(
                f"{name} must be at most {capacity:.4g} nats, what {shape} {numbers} of {levels} levels can hold, "
                f"got {nats:g}"
            )


def _nats(name: str, value: Any) -> float | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        nats = float(value)
    except (TypeError, ValueError, OverflowError):
        raise ConfigError(f"{name} must be a number of nats or empty, got {shown(value)}") from None
    if not 0 < nats < math.inf:
        raise ConfigError(f"{name} must be a finite number greater than 0, got {shown(value)}")
    if nats > MOST_NATS:
        raise ConfigError(f"{name} must be at most {MOST_NATS:g} nats, got {shown(value)}")
    return nats


def _check_apart(
    groups: Mapping[LayerGroup, tuple[str, RateTarget]], own: Mapping[int, tuple[str, RateTarget]]
) -> None:
    """Raise ConfigError where a layer's rate is in two sums, or in one and a target of its own."""
    seen = {layer: name for layer, (name, _) in own.items() if layer}
    for group, (name, target) in groups.items():
        for layer in group.layers:
            if layer in seen:
                raise ConfigError(f"{name} must share no layer with {seen[layer]}, got {target.nats:g}")
            seen[layer] = name


def _check_total(
    name: str,
    total: RateTarget,
    own: Sequence[RateTarget | None],
    groups: Sequence[tuple[LayerGroup, RateTarget]],
) -> None:
    exact = [target.nats for target in own if target is not None and not target.upper]
    covered = len(exact) + sum(len(group.layers) for group, target in groups if not target.upper)
    exact += [target.nats for _, target in groups if not target.upper]
    if covered == len(own):
        raise ConfigError(f"{name} must be empty where every layer has a target_rate of its own, got {total.nats:g}")
    if total.nats <= sum(exact):
        raise ConfigError(
            f"{name} must be greater than the sum of the layers' target rates ({sum(exact):g}), got {total.nats:g}"
        )
