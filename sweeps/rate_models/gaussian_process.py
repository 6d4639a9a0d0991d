"""Which rates a model of given β is expected to end with: a Gaussian process over the history."""

__all__ = ["SOFT_FLOOR", "RatePredictor", "RateSurrogate"]

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import qmc
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

from analysis.recommendation.metric_surrogate import learned_kernel
from analysis.recommendation.reach import thinned

Floats = npt.NDArray[np.float64]

#: Rates are modelled as log(R + this), nats: a layer that has collapsed is flat rather than without bottom.
SOFT_FLOOR = 0.1
#: Runs that the kernel's scales are fitted to, and that predictions rest on; more cost time and add little.
_FITTED, _CONDITIONED = 60, 160


class RatePredictor(ABC):
    """Expects rates of models of given β, and knows how uncertain that is."""

    @abstractmethod
    def predict(self, betas: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation of log(R_l + 0.1), M×L each.

        Args:
            betas: β_l > 0, M×L.
        """

    def rates(self, betas: Floats) -> Floats:
        """The rates that are expected, nats per image, M×L."""
        return np.maximum(np.exp(self.predict(betas)[0]) - SOFT_FLOOR, 0.0)

    def draws(self, betas: Floats, count: int = 128) -> Floats:
        """Rates that models of these β may end with, nats per image, count×M×L: the same for the same history.

        Args:
            betas: β_l > 0, M×L.
            count: how many for each.
        """
        mean, deviation = self.predict(betas)
        normal = ndtri(qmc.Sobol(mean.shape[1], seed=0).random(count))
        return np.asarray(np.maximum(np.exp(mean + deviation * normal[:, None]) - SOFT_FLOOR, 0.0))


@dataclass(frozen=True, eq=False)
class RateSurrogate(RatePredictor):
    """log(R_l + 0.1) as a plane in log β plus a Gaussian process (Matérn 5/2, a length scale an axis), for each layer.

    Attributes:
        planes: coefficients of each layer's plane, L×(1 + L).
        residuals: the process of each layer.
    """

    planes: Floats
    residuals: tuple[GaussianProcessRegressor, ...]

    @classmethod
    def fit(cls, betas: Floats, rates: Floats) -> "RateSurrogate":
        """From runs, in any order that does not change.

        Args:
            betas: β_l > 0, N×L.
            rates: R_l ≥ 0, nats per image, N×L.
        """
        chosen = thinned(np.log(betas), _CONDITIONED)
        inputs, outputs = np.log(betas[chosen]), np.log(rates[chosen] + SOFT_FLOOR)
        # A few imagined runs on the plane R = const keep it from being steep where runs are few.
        planes = np.linalg.solve(
            _with_one(inputs).T @ _with_one(inputs) + np.diag([1e-6, *[0.1] * inputs.shape[1]]),
            _with_one(inputs).T @ outputs,
        ).T
        left = outputs - _with_one(inputs) @ planes.T
        return cls(
            np.asarray(planes, np.float64), tuple(_process(inputs, left[:, layer]) for layer in range(left.shape[1]))
        )

    def predict(self, betas: Floats) -> tuple[Floats, Floats]:
        inputs = np.log(betas)
        if not len(inputs):
            return np.empty_like(inputs), np.empty_like(inputs)
        means, deviations = zip(*(one.predict(inputs, return_std=True) for one in self.residuals), strict=True)
        return _with_one(inputs) @ self.planes.T + np.stack(means, 1), np.maximum(np.stack(deviations, 1), 1e-6)


def _process(inputs: Floats, outputs: Floats) -> GaussianProcessRegressor:
    amplitude = max(float(outputs.std()), 0.05)
    kernel = ConstantKernel(amplitude**2, (1e-4, 1e2)) * Matern(
        length_scale=[2.0] * inputs.shape[1], length_scale_bounds=(0.3, 30.0), nu=2.5
    ) + WhiteKernel(1e-2 * amplitude**2, (1e-6, 1e-1))
    few = thinned(inputs, _FITTED)
    learned = learned_kernel(kernel, inputs[few], outputs[few])
    return GaussianProcessRegressor(learned, optimizer=None).fit(inputs, outputs)


def _with_one(inputs: Floats) -> Floats:
    return np.column_stack([np.ones(len(inputs)), inputs])
