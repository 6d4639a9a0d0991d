"""What a surface is: its model, its training, the range of β, and what is read off and checked."""

__all__ = ["SURFACE_DEFAULTS", "SurfacePlan"]

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from hit.config import TrainConfig
from hit.config.field_roles import BETA, Role, role_of
from hit.config.rates.beta_grid import BetaGrid, axis_layer
from hit.errors import ConfigError, shown
from hit.schema import DEFAULT_EXPERIMENT, Tag
from hit.schema.experiments import Experiment
from hit.schema.hashing import identity_hash

#: Where a surface differs from a single model: it has more to learn, by many small steps (so small that the few images
#: of the digits suffice), and its schedule ends at a small one.
SURFACE_DEFAULTS = {"epochs": 30, "batch_size": 32, "learning_rate": 3e-3, "schedule": "one_cycle"}

_MOST_CELLS = 10_000


@dataclass(frozen=True, kw_only=True)
class SurfacePlan:
    """What a surface is: its model and training, the range of β, and the cells that are read off.

    Attributes:
        config: its betas are 1 and mean nothing.
        beta_low, beta_high: range of β in training.
        kernels: of every layer, which β mix.
        grids: `grid_1` … `grid_L`, each `low:high:count` or values with commas.
        certificate: β at which dedicated models are trained and compared, `β_1:…:β_L` with commas, or `corners`:
            the corners and the centre of the grid; empty for none.
        certificate_learning_rate: peak step size of the dedicated models.
        experiment: the MLflow experiment, or its name.

    Raises:
        ConfigError: a range that is none, an axis that is none, or a β outside the range.
    """

    config: TrainConfig
    beta_low: float = 0.08
    beta_high: float = 12.0
    kernels: int = 2
    grids: Mapping[str, str]
    certificate: str = ""
    certificate_learning_rate: float = 1e-3
    experiment: str | Experiment = DEFAULT_EXPERIMENT

    def __post_init__(self) -> None:
        cells = self._grid.size
        if cells > _MOST_CELLS:
            raise ConfigError(f"grid must have at most {_MOST_CELLS} cells, each of which is measured, got {cells}")
        if not 0 < self.beta_low < self.beta_high:
            raise ConfigError(
                f"beta_low must be above 0 and below beta_high, got {self.beta_low:g} and {self.beta_high:g}"
            )
        for layer, axis in enumerate(self.axes, start=1):
            for beta in axis:
                self._check_range(f"grid_{layer}", beta)
        for betas in self.certified:
            for beta in betas:
                self._check_range("certificate", beta)

    @property
    def axes(self) -> tuple[tuple[float, ...], ...]:
        """Values of β_1, …, β_L."""
        return self._grid.axes

    @property
    def cells(self) -> list[TrainConfig]:
        """The config that a model trained for one cell alone would have, cell by cell."""
        cells = [*self._grid.product(), *self.certified]
        return [replace(self.config, betas=betas) for betas in dict.fromkeys(cells)]

    @property
    def certified(self) -> list[tuple[float, ...]]:
        """β_1 … β_L of the dedicated models."""
        if self.certificate.strip() == "corners":
            ends = replace(self._grid, axes=tuple(tuple(dict.fromkeys((axis[0], axis[-1]))) for axis in self.axes))
            centre = tuple(float(f"{math.sqrt(axis[0] * axis[-1]):.6g}") for axis in ends.axes)
            return list(dict.fromkeys([*ends.product(), centre]))
        return [self._point(text) for text in self.certificate.split(",") if text.strip()]

    @property
    def dedicated(self) -> list[TrainConfig]:
        """The configs of the dedicated models: the surface's data, epochs and schedule, a step size of their own."""
        base = replace(self.config, learning_rate=self.certificate_learning_rate)
        return [replace(base, betas=betas) for betas in self.certified]

    def identity(self, data_digest: str) -> str:
        """Hash of what decides the surface; the grid that is read off does not."""
        return self._hash(self._neutral.identity(data_digest))

    def group(self, data_digest: str) -> str:
        """The same without the seed."""
        return self._hash(self._neutral.group(data_digest))

    def cell_tags(self, cell: TrainConfig, data_digest: str, run_id: str) -> dict[str, str]:
        """Identity and group of a cell: never those of a model that was trained for it alone."""
        return {
            Tag.CONFIG_HASH: identity_hash([self.identity(data_digest), cell.betas]),
            Tag.GROUP: identity_hash([self.group(data_digest), cell.betas]),
            Tag.AMORTISED: run_id,
        }

    def params(self) -> dict[str, Any]:
        """Flat params of the surface's run."""
        # A surface has no β of its own, and starts from nothing.
        flat = {
            name: value
            for name, value in self.config.to_flat().items()
            if not BETA.match(name) and role_of(name) is not Role.START
        }
        own = ("beta_low", "beta_high", "kernels", "certificate", "certificate_learning_rate")
        return flat | dict(self.grids) | {name: getattr(self, name) for name in own}

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values; `from_json` inverts it."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)} | {
            "experiment": str(self.experiment),
            "config": self.config.to_flat(),
            "grids": dict(self.grids),
        }

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "SurfacePlan":
        """The plan that `to_json` wrote.

        Raises:
            ConfigError, TypeError, KeyError: it is of another form.
        """
        config = TrainConfig.from_flat(saved["config"])
        # Older versions wrote down an axis of a second layer for models of one, too.
        grids = {name: text for name, text in saved["grids"].items() if name != "grid_2" or config.layers > 1}
        # Older surfaces have one kernel a layer.
        return cls(**{"kernels": 1, **saved, "config": config, "grids": grids})

    def _check_range(self, name: str, beta: float) -> None:
        if not self.beta_low <= beta <= self.beta_high:
            raise ConfigError(
                f"{name} must lie within beta_low … beta_high, the range that the model is trained for "
                f"({self.beta_low:g} … {self.beta_high:g}), got {beta:g}"
            )

    def _point(self, text: str) -> tuple[float, ...]:
        try:
            point = tuple(map(float, text.split(":")))
        except ValueError:
            point = ()
        if len(point) != self.config.layers:
            raise ConfigError(
                f"certificate must be 'corners' or β_1:…:β_L with commas, here {self.config.layers} numbers each, "
                f"got {shown(text.strip())}"
            )
        return point

    @property
    def _grid(self) -> BetaGrid:
        texts = {axis_layer(name): text for name, text in self.grids.items()}
        return BetaGrid.parse(texts, self.config.layers, (1.0,) * self.config.layers)

    @property
    def _neutral(self) -> TrainConfig:
        return replace(self.config, betas=(1.0,) * self.config.layers)

    def _hash(self, of_config: str) -> str:
        mixed = [self.kernels] if self.kernels > 1 else []  # older surfaces have one, and their hashes
        return identity_hash(["surface", of_config, self.beta_low, self.beta_high, *mixed])
