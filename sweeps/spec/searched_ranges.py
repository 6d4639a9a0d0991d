"""What a grid in β or a region of rate space leaves open, as a driver searches it."""

__all__ = ["beta_dimensions", "candidate_grid", "target_dimensions"]

from dataclasses import replace

from hit.config.rates.beta_grid import BetaGrid, parse_axis
from hit.config.rates.rate_region import RateRegion
from hit.errors import ConfigError
from sweeps.spec.search_space import Dimension

#: Candidates along each axis of β, by how many axes there are.
_COVERAGE_POINTS = {1: 401, 2: 61, 3: 21}
_COVERAGE_POINTS_OTHERWISE = 9


def candidate_grid(grid: BetaGrid) -> BetaGrid:
    """The candidates of a coverage: a finer grid between the same ends."""
    points = _COVERAGE_POINTS.get(len(grid.free), _COVERAGE_POINTS_OTHERWISE)
    axes = tuple(
        parse_axis(f"grid_{layer}", f"{axis[0]!r}:{axis[-1]!r}:{points}") if len(axis) > 1 else axis
        for layer, axis in enumerate(grid.axes, start=1)
    )
    return replace(grid, axes=axes)


def beta_dimensions(grid: BetaGrid) -> list[Dimension]:
    """β of every layer whose axis has two ends.

    Raises:
        ConfigError: an axis is of several layers.
    """
    if grid.tied:
        raise ConfigError(
            f"grid_{grid.tied[0]} must be of one layer, or have one value, where the driver varies every β by itself"
        )
    return [
        Dimension(f"beta_{layer}", axis[0], axis[-1], log=True)
        for layer, axis in enumerate(grid.axes, start=1)
        if len(axis) > 1
    ]


def target_dimensions(region: RateRegion) -> list[Dimension]:
    """A target for every layer; one of 0 nats cannot be steered to."""
    return [
        Dimension(f"target_rate_{layer}", max(low, high * 1e-2), high)
        for layer, (low, high) in enumerate(zip(region.low, region.high, strict=True), start=1)
    ]
