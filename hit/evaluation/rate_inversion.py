"""From rates to β without training: where on its surface a model has the rates that are asked for."""

__all__ = ["Inversion", "OutsideSurface", "betas_for"]

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import least_squares

from hit.data import LabelledImages
from hit.errors import ConfigError
from hit.models.surface_model import SurfaceModel

Floats = NDArray[np.float64]

#: Relative error of a rate above which a target counts as not reached.
MISSED_ABOVE = 0.02
#: Images that the search looks at; the more, the smaller the error bars.
IMAGES = 4000
_BATCH = 500
#: A first look: so many values of every log β, on so many images.
_COARSE, _COARSE_IMAGES = 5, 250
#: Step of the finite differences, nepers of β. Rates are smooth in β, the noise being the same at every β.
_STEP = 0.05
_FLOOR = 1e-6  # nats; below it a rate counts as this
_EVALUATIONS = 30


class OutsideSurface(ConfigError):
    """No β that the surface was trained for has these rates."""


@dataclass(frozen=True)
class Inversion:
    """Where the surface has the rates that were asked for. Tuples run over the layers: index 0 is layer 1.

    Attributes:
        betas: β_1 … β_L.
        errors: standard error of each log β_l, from that of the rates, which are means over the images seen;
            0 for a layer that was not asked about.
        rates: R_1 … R_L there, nats per image.
        rate_errors: their standard errors, nats per image.
    """

    betas: tuple[float, ...]
    errors: tuple[float, ...]
    rates: tuple[float, ...]
    rate_errors: tuple[float, ...]


def betas_for(
    surface: SurfaceModel,
    images: LabelledImages,
    rates: Mapping[int, float],
    betas: Sequence[float] | None = None,
    *,
    check: Callable[[], None] = lambda: None,
) -> Inversion:
    """The β at which a trained surface has these rates on these images.

    Every rate falls monotonically in its own β and, near a solution, depends on the others' less, so that
    Σ_l log²(R_l(β) / R_l*) has one minimum to go down to: bounded least squares in log β
    (`scipy.optimize.least_squares`), from the best cell of a coarse grid over the trained range.

    Args:
        surface: trained.
        images: on its device; the first 4,000 are looked at. Rates of unseen images are those of a test set.
        rates: layer → R_l*, nats per image, for any of the layers.
        betas: β_1 … β_L, of which the layers without a target keep theirs; 1 where absent.
        check: called between evaluations; raises to stop.

    Raises:
        ConfigError: no rate, a layer that the model does not have, or a rate that is not above 0.
        OutsideSurface: a rate is missed by more than 2 %; the message says what comes nearest.
    """
    if not rates:
        raise ConfigError("target_rate_l must be given for a layer or more, got none")
    for layer, rate in rates.items():
        if not 1 <= layer <= surface.layers:
            raise ConfigError(
                f"target_rate_{layer} needs a model of {layer} layers or more, but L = {surface.layers}, got {rate:g}"
            )
        if not 0 < rate < math.inf:
            raise ConfigError(f"target_rate_{layer} must be a finite number greater than 0, got {rate:g}")
    search = _Search(surface, images, dict(sorted(rates.items())), betas or (1.0,) * surface.layers, check)
    return search.run()


class _Search:
    """One search: θ is log β of the layers that have a target."""

    def __init__(
        self,
        surface: SurfaceModel,
        images: LabelledImages,
        targets: Mapping[int, float],
        betas: Sequence[float],
        check: Callable[[], None],
    ) -> None:
        self.surface = surface
        self.x = surface.prepare(images.head(IMAGES))
        self.layers = list(targets)
        self.free = [layer - 1 for layer in targets]
        self.targets = np.array(list(targets.values()))
        self.start = np.asarray(betas, dtype=np.float64)
        self.low, self.high = math.log(surface.beta_low), math.log(surface.beta_high)
        self.check = check

    def run(self) -> Inversion:
        solution = least_squares(
            self.residuals, self.coarse(), self.jacobian, bounds=(self.low, self.high), max_nfev=_EVALUATIONS
        )
        theta: Floats = solution.x
        per_image = self.rates(theta)
        means = per_image.mean(0)
        if (np.abs(means[self.free] / self.targets - 1) > MISSED_ABOVE).any():
            raise self.outside(theta, means)
        return self.inversion(theta, per_image)

    def coarse(self) -> Floats:
        """The best of a grid over the trained range, its ends left out: a search that starts at a bound stays there."""
        axis = np.linspace(self.low, self.high, _COARSE + 2)[1:-1]
        cells = [np.array(cell) for cell in itertools.product(axis, repeat=len(self.free))]
        return min(cells, key=lambda theta: float(np.square(self.residuals(theta, _COARSE_IMAGES)).sum()))

    def residuals(self, theta: Floats, count: int | None = None) -> Floats:
        """log(R_l / R_l*) of the layers that have a target."""
        means = self.rates(theta, count).mean(0)[self.free]
        found: Floats = np.log(np.maximum(means, _FLOOR) / self.targets)
        return found

    def jacobian(self, theta: Floats) -> Floats:
        """d log R_l / d log β_m by differences towards the middle of the range."""
        here = self.residuals(theta)
        columns = []
        for index, value in enumerate(theta):
            step = _STEP if value < (self.low + self.high) / 2 else -_STEP
            moved = theta.copy()
            moved[index] += step
            columns.append((self.residuals(moved) - here) / step)
        return np.stack(columns, 1)

    @torch.no_grad()
    def rates(self, theta: Floats, count: int | None = None) -> Floats:
        """R_1 … R_L of every image, nats, images × L, with the same noise at every θ."""
        betas = torch.tensor(self.betas(theta), dtype=torch.float32, device=self.x.device)
        generator = torch.Generator(self.x.device).manual_seed(0)
        parts = []
        for x in self.x[:count].split(_BATCH):
            self.check()
            outcome = self.surface(x, betas, self.surface.noise(len(x), generator))
            parts.append(torch.stack(outcome.rates, 1).double().cpu())
        found: Floats = torch.cat(parts).numpy()
        return found

    def betas(self, theta: Floats) -> list[float]:
        betas = self.start.copy()
        betas[self.free] = np.exp(theta)
        return [float(beta) for beta in betas]

    def inversion(self, theta: Floats, per_image: Floats) -> Inversion:
        """The answer, the error of its rates carried over to log β by the inverse of the Jacobian."""
        count = len(per_image)
        means = per_image.mean(0)
        covariance = np.cov(per_image, rowvar=False, ddof=1).reshape(len(means), -1) / count
        relative = covariance[np.ix_(self.free, self.free)] / np.outer(means[self.free], means[self.free])
        inverse = np.linalg.pinv(self.jacobian(theta))
        errors = np.zeros(len(means))
        errors[self.free] = np.sqrt(np.diag(inverse @ relative @ inverse.T))
        return Inversion(
            betas=tuple(self.betas(theta)),
            errors=tuple(errors.tolist()),
            rates=tuple(means.tolist()),
            rate_errors=tuple(np.sqrt(np.diag(covariance)).tolist()),
        )

    def outside(self, theta: Floats, means: Floats) -> OutsideSurface:
        targets = zip(self.layers, self.targets, strict=True)
        asked = ", ".join(f"target_rate_{layer}={rate:g}" for layer, rate in targets)
        nearest = ", ".join(f"R_{layer} = {means[layer - 1]:.4g}" for layer in self.layers)
        betas = ", ".join(f"beta_{layer}={beta:.4g}" for layer, beta in enumerate(self.betas(theta), start=1))
        return OutsideSurface(
            f"{asked} must lie on the surface, whose β range from {self.surface.beta_low:g} to "
            f"{self.surface.beta_high:g}; the nearest that it has is {nearest} nats at {betas}"
        )
