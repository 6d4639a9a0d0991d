"""Which rates a model of given β is expected to end with, by a rate surface that the store holds."""

__all__ = ["SurfaceRates", "SurfaceSurrogate"]

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.interpolate import RegularGridInterpolator

from hit.config.rates.beta_grid import BetaGrid
from sweeps.rate_models.gaussian_process import SOFT_FLOOR, RatePredictor, RateSurrogate

Floats = npt.NDArray[np.float64]

#: Values of each log β at which a surface is asked, by how many layers there are; between them, rates are smooth.
_KNOTS = {1: 25, 2: 9, 3: 6}
_KNOTS_OTHERWISE = 4
#: By how much log(R + 0.1) of a model differs from the surface's before runs have told.
_TYPICAL_GAP = 0.15
#: Runs a layer before they tell.
_RUNS_A_LAYER = 2


class SurfaceRates:
    """The rates of a surface over a range of β: asked of it once, when they are first needed, then interpolated.

    Args:
        run_id: of the surface, for people.
        ask: from β, M×L, to rates, nats per image, M×L.
        betas: the candidates, whose range it is.
    """

    def __init__(self, run_id: str, ask: Callable[[Floats], Floats], betas: BetaGrid) -> None:
        self.run_id = run_id
        self._ask = ask
        self._free = [own[0] - 1 for own in betas.free]
        count = _KNOTS.get(len(self._free), _KNOTS_OTHERWISE)
        self._axes = [
            np.linspace(np.log(axis[0]), np.log(axis[-1]), count if len(axis) > 1 else 1) for axis in betas.axes
        ]
        self._knots = replace(betas, axes=tuple(tuple(np.exp(axis).tolist()) for axis in self._axes))
        self._between: Callable[[Floats], Floats] | None = None

    def log_rates(self, betas: Floats) -> Floats:
        """log(R_l + 0.1), M×L; β outside of the range counts as the nearest within.

        Args:
            betas: β_l > 0, M×L.
        """
        if self._between is None:
            self._between = self._interpolator()
        places = np.log(betas)[:, self._free]
        low, high = (np.array([self._axes[place][end] for place in self._free]) for end in (0, -1))
        return np.asarray(self._between(np.clip(places, low, high)))

    def _interpolator(self) -> Callable[[Floats], Floats]:
        """Asks the surface; from log β of the free axes to log(R_l + 0.1)."""
        knots = np.array(list(self._knots.product()))
        values = np.log(self._ask(knots) + SOFT_FLOOR)
        if not self._free:
            return lambda places: np.repeat(values, len(places), axis=0)
        grid = [self._axes[place] for place in self._free]
        shape = [len(axis) for axis in grid]
        between: Callable[[Floats], Floats] = RegularGridInterpolator(grid, values.reshape(*shape, -1), method="cubic")
        return between


@dataclass(frozen=True, eq=False)
class SurfaceSurrogate(RatePredictor):
    """The surface's rates times what finished runs differ from them by: log of the ratio as a plane plus a process.

    Attributes:
        surface: asked for its rates.
        ratio: of log((R_l + 0.1) / (the surface's + 0.1)); None while the runs are too few.
    """

    surface: SurfaceRates
    ratio: RateSurrogate | None

    @classmethod
    def fit(cls, surface: SurfaceRates, betas: Floats, rates: Floats) -> "SurfaceSurrogate":
        """From finished runs, which may be few.

        Args:
            surface: of models like these.
            betas: β_l > 0, N×L.
            rates: R_l ≥ 0, nats per image, N×L.
        """
        if len(np.unique(betas, axis=0)) < _RUNS_A_LAYER * betas.shape[1]:
            return cls(surface, None)
        ratio = (rates + SOFT_FLOOR) / np.exp(surface.log_rates(betas))
        return cls(surface, RateSurrogate.fit(betas, ratio - SOFT_FLOOR))

    def predict(self, betas: Floats) -> tuple[Floats, Floats]:
        if not len(betas):
            return np.empty_like(betas), np.empty_like(betas)
        mean = self.surface.log_rates(betas)
        if self.ratio is None:
            return mean, np.full_like(mean, _TYPICAL_GAP)
        shift, deviation = self.ratio.predict(betas)
        return mean + shift, deviation
