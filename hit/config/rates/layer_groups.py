"""Groups of layers by one name: `beta_1-3=0.5` weighs R_1, R_2 and R_3, `target_rate_4-6=20` is of R_4 + R_5 + R_6."""

__all__ = ["BETA_GROUP", "LayerGroup", "expanded_betas"]

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hit.errors import ConfigError, shown

#: A flat name of the β of several layers.
BETA_GROUP = re.compile(r"beta_[1-9][0-9]{0,3}-[1-9][0-9]{0,3}\Z")
#: β of a layer that nothing is said of.
_USUAL_BETA = 1.0


@dataclass(frozen=True, order=True)
class LayerGroup:
    """Layers one above the other.

    Attributes:
        first, last: the lowest and the highest.
    """

    first: int
    last: int

    @classmethod
    def parse(cls, name: str, value: Any, layers: float) -> "LayerGroup":
        """The group that a flat name ends with.

        Args:
            name: such as `beta_1-3`.
            value: of it, for errors.
            layers: L; infinite where it is not known.

        Raises:
            ConfigError: it does not go from a lower layer to a higher one, or beyond L.

        >>> list(LayerGroup.parse("beta_1-3", 0.5, 4).layers)
        [1, 2, 3]
        """
        first, last = map(int, name.rpartition("_")[2].split("-"))
        if first >= last:
            raise ConfigError(f"{name} must name layers from a lower one to a higher one, got {shown(value)}")
        if last > layers:
            raise ConfigError(f"{name} needs a model of {last} layers or more, but L = {layers}, got {shown(value)}")
        return cls(first, last)

    @property
    def layers(self) -> range:
        """Those that belong to it."""
        return range(self.first, self.last + 1)

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


def expanded_betas(own: Mapping[int, Any], groups: Mapping[str, Any], layers: int) -> dict[int, Any]:
    """β by layer, of layers by themselves and of groups.

    A layer by itself that says what its group says, or 1 as where nothing is said, as `mlflow run` hands on defaults,
    gives way.

    Args:
        own: layer → β.
        groups: flat name → β.
        layers: L.

    Raises:
        ConfigError: a group is none, or a layer has two β.

    >>> expanded_betas({4: 2}, {"beta_1-3": "0.5"}, 4)
    {4: 2, 1: '0.5', 2: '0.5', 3: '0.5'}
    """
    betas = dict(own)
    names: dict[int, str] = {}
    for name, value in groups.items():
        for layer in LayerGroup.parse(name, value, layers).layers:
            if layer in names or (layer in own and _number(own[layer]) not in (_USUAL_BETA, _number(value))):
                raise ConfigError(
                    f"{name} must share no layer with {names.get(layer, f'beta_{layer}')}, got {shown(value)}"
                )
            names[layer] = name
            betas[layer] = value
    return betas


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
