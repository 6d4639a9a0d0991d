"""A region of rate space cut into cells: which of them hold a run, and how far the others are from one."""

__all__ = ["RegionCells"]

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from hit.config.rates.rate_region import RateRegion
from hit.errors import ConfigError

Floats = npt.NDArray[np.float64]

_MOST_CELLS = 10_000
_POINTS_A_CELL = 256
#: A cell that a bound on R leaves less than this share of is covered by its neighbours.
_SLIVER = 0.25
#: What is confined to a cell keeps so far from its sides, in sides: targets are rounded.
_EDGE = 0.02


@dataclass(frozen=True, eq=False)
class RegionCells:
    """Cells of equal sides, in units of the region's extent along each rate.

    Distances are the largest over the layers, in the same units: 0.2 is a fifth of the region's width. A run in
    a cell of side s leaves no point of that cell farther than s from a run, so that where every cell holds a
    run no hole of the region is larger than s.

    Attributes:
        region: in rate space.
        sides: cells along each axis.
        numbers: of the cells of the whole box, sides^L: their place among the C that are kept, or −1.
        aims: the middle of the part of each cell that lies in the region, C×L, nats per image.
    """

    region: RateRegion
    sides: int
    numbers: npt.NDArray[np.intp]
    aims: Floats

    @classmethod
    def cut(cls, region: RateRegion, hole: float) -> "RegionCells":
        """The fewest cells whose sides are at most `hole`.

        Raises:
            ConfigError: the region has no end, or the cells are too many.
        """
        if not region.bounded:
            raise ConfigError(f"region must have an upper end for every rate, or for R, to be filled, got {region}")
        sides = math.ceil(1 / hole - 1e-9)
        if sides**region.layers > _MOST_CELLS:
            least = 1 / math.floor(_MOST_CELLS ** (1 / region.layers))
            raise ConfigError(
                f"hole must be at least {least:.3g} for {region.layers} layers, which makes {_MOST_CELLS} cells, "
                f"got {hole:g}"
            )
        indices = np.stack(np.meshgrid(*[np.arange(sides)] * region.layers, indexing="ij"), -1)
        corners = indices.reshape(-1, region.layers) / sides
        within = np.random.default_rng(0).random((_POINTS_A_CELL, region.layers))
        within = np.concatenate([within, 1 - within])  # their mean is the middle of a whole cell
        points = region.unscaled(corners[:, None] + within / sides)
        inside = region.contains(points)
        share = inside.mean(1)
        kept = share >= min(_SLIVER, share.max())
        weights = inside[kept][..., None]
        aims = (points[kept] * weights).sum(1) / weights.sum(1)
        numbers = np.where(kept, np.cumsum(kept) - 1, -1)
        return cls(region, sides, numbers, aims)

    def __len__(self) -> int:
        return len(self.aims)

    def of(self, rates: Floats) -> npt.NDArray[np.intp]:
        """The cell that holds each of these rates, −1 where none does.

        Args:
            rates: nats per image, L in the last axis.
        """
        rates = np.asarray(rates, float)
        inside = self.region.contains(rates)
        scaled = np.where(inside[..., None], self.region.scaled(rates), 0.0)
        place = np.minimum((scaled * self.sides + 1e-12).astype(np.intp), self.sides - 1)
        weights = self.sides ** np.arange(self.region.layers)[::-1]
        return np.where(inside, self.numbers[place @ weights], -1)

    def confined(self, cell: int, rates: Floats) -> Floats:
        """The rates of a cell that are nearest to these, L; the cell's aim where a bound on R cuts them off."""
        corner = np.floor(self.region.scaled(self.aims[cell]) * self.sides + 1e-12)
        inset = np.array([_EDGE, 1 - _EDGE])[:, None]
        low, high = self.region.unscaled((corner + inset) / self.sides)
        found = np.clip(rates, low, high)
        return found if self.of(found) == cell else self.aims[cell]

    def holding(self, rates: Floats) -> npt.NDArray[np.bool_]:
        """Which cells hold one of these rates, C."""
        held = np.zeros(len(self), bool)
        cells = self.of(rates)
        held[cells[cells >= 0]] = True
        return held

    def gaps(self, rates: Floats) -> Floats:
        """How far each cell's middle is from the nearest of these rates, at most 1, C."""
        points = self.region.scaled(rates)
        points = points[np.isfinite(points).all(1)]
        if not len(points):
            return np.ones(len(self))
        distances, _ = cKDTree(points).query(self.region.scaled(self.aims), p=np.inf)
        return np.asarray(np.minimum(distances, 1.0))
