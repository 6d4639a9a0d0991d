"""A metric over rate space as a Gaussian process, which says what runs would give that nobody has trained."""

__all__ = ["Surrogate", "learned_kernel"]

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern, WhiteKernel

from analysis.recommendation.reach import seen, spread_and_drawn

Floats = npt.NDArray[np.float64]

#: Runs that the kernel's scales are learned from, and that predictions rest on; more cost time and add little.
_LEARNED, _CONDITIONED = 150, 500
#: Kernels that a surrogate averages over, those that are tried for it, and how far from the likeliest (in logs).
_KERNELS, _TRIED, _STEP = 8, 60, 0.6
#: Variance of a run about the process, as a share of that of all runs: of few runs one may learn that there is none.
_LEAST_NOISE = 3e-4
#: Metrics are smooth: prior median of a length scale, in standard deviations of log rates, and its spread in logs.
_SMOOTH, _SMOOTH_STEP = 1.5, 0.6


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A metric m as a function of (R_1, …, R_L): a plane in log(R_l + 1) and a Gaussian process, with a run's noise.

    The processes differ in their scales and their noise, which few runs leave uncertain: they are drawn from the
    posterior of these about the likeliest ones, by importance sampling.

    Attributes:
        processes: of the standardised metric without the noise.
        centre, scale: of the inputs, L each.
        mean, deviation: of the metric over the runs, in its unit.
        noise: standard deviation of one run about the process, in the metric's unit, learned from all of them.
        explained: share of the metric's variance that runs left out one by one are predicted with; at most 1.
    """

    processes: tuple[GaussianProcessRegressor, ...]
    centre: Floats
    scale: Floats
    mean: float
    deviation: float
    noise: float
    explained: float

    @classmethod
    def fit(cls, rates: Floats, metric: Floats) -> "Surrogate":
        """From runs.

        Args:
            rates: R_l ≥ 0, nats per image, N×L.
            metric: its values, finite, N.
        """
        kept = spread_and_drawn(seen(rates), _CONDITIONED)
        logs, outputs = seen(rates[kept]), metric[kept]
        centre, scale = logs.mean(0), np.maximum(logs.std(0), 1e-3)
        mean, deviation = float(outputs.mean()), max(float(outputs.std()), 1e-12)
        inputs, outputs = (logs - centre) / scale, (outputs - mean) / deviation
        few = spread_and_drawn(inputs, _LEARNED)
        curved = ConstantKernel(1.0, (1e-2, 1e2)) * Matern(
            length_scale=[_SMOOTH] * inputs.shape[1], length_scale_bounds=(0.2, 20.0), nu=2.5
        )
        inclined = ConstantKernel(1.0, (1e-3, 1e1)) * DotProduct(sigma_0=1.0, sigma_0_bounds="fixed")
        start = curved + inclined + WhiteKernel(1e-2, (_LEAST_NOISE, 2.0))
        likeliest = learned_kernel(start, inputs[few], outputs[few])
        processes = [
            GaussianProcessRegressor(kernel.k1, alpha=kernel.k2.noise_level + 1e-8, optimizer=None).fit(inputs, outputs)
            for kernel in _likely(likeliest, inputs[few], outputs[few])
        ]
        noise = float(np.mean([one.alpha for one in processes])) ** 0.5
        explained = float(np.mean([_explained(one, outputs) for one in processes]))
        return cls(tuple(processes), centre, scale, mean, deviation, noise * deviation, explained)

    def predict(self, rates: Floats) -> tuple[Floats, Floats]:
        """Mean and standard error of the metric without a run's noise, M each.

        Args:
            rates: nats per image, M×L.
        """
        inputs = self._inputs(rates)
        found = [one.predict(inputs, return_std=True) for one in self.processes]
        means, errors = np.stack([mean for mean, _ in found]), np.stack([error for _, error in found])
        error = np.sqrt((errors**2).mean(0) + means.var(0))
        return self.mean + self.deviation * means.mean(0), self.deviation * error

    def draws(self, rates: Floats, count: int, seed: int = 0) -> Floats:
        """Functions that the runs allow, each at all these rates, count×M: the same for the same runs and seed.

        Args:
            rates: nats per image, M×L.
            count: how many functions.
            seed: metrics that are drawn independently of each other have different ones.
        """
        inputs, chance = self._inputs(rates), np.random.default_rng(seed)
        drawn = []
        for number, process in enumerate(self.processes):
            mean, covariance = process.predict(inputs, return_cov=True)
            root = np.linalg.cholesky(covariance + 1e-6 * np.eye(len(mean)))
            normal = chance.standard_normal((len(range(number, count, len(self.processes))), len(mean)))
            drawn.append(mean + normal @ root.T)
        return np.asarray(self.mean + self.deviation * np.concatenate(drawn))

    def _inputs(self, rates: Floats) -> Floats:
        return (seen(rates) - self.centre) / self.scale


def learned_kernel(start: Any, inputs: Floats, outputs: Floats) -> Any:
    """A kernel whose scales are the likeliest for these data; one that has reached its bound is an answer, too.

    Args:
        start: where the search begins, with the bounds of every scale.
        inputs: N×D.
        outputs: N.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GaussianProcessRegressor(start, random_state=0).fit(inputs, outputs).kernel_


def _likely(likeliest: Any, inputs: Floats, outputs: Floats) -> list[Any]:
    """Kernels drawn in proportion to how likely they make the outputs, and how smooth; few runs allow many."""
    chance = np.random.default_rng(0)
    regressor = GaussianProcessRegressor(likeliest, optimizer=None).fit(inputs, outputs)
    low, high = likeliest.bounds.T
    steps = chance.normal(0, _STEP, (_TRIED, len(likeliest.theta)))
    thetas = np.clip(likeliest.theta + np.concatenate([0 * steps[:1], steps]), low, high)
    # Likelihood times prior, over the density that the thetas were drawn with.
    logs = np.array([regressor.log_marginal_likelihood(theta) for theta in thetas])
    lengths = thetas[:, 1 : 1 + inputs.shape[1]]
    logs -= 0.5 * (((lengths - np.log(_SMOOTH)) / _SMOOTH_STEP) ** 2).sum(1)
    logs[1:] += 0.5 * ((steps / _STEP) ** 2).sum(1)
    shares = np.exp(np.minimum(logs - logs.max(), 0))
    drawn = chance.choice(len(thetas), size=_KERNELS, p=shares / shares.sum())
    return [likeliest.clone_with_theta(thetas[place]) for place in drawn]


def _explained(process: GaussianProcessRegressor, outputs: Floats) -> float:
    """1 − Σ (left-out error)² / Σ (outputs − mean)², by the closed form of Rasmussen and Williams, section 5.4.2."""
    inverse = np.linalg.solve(process.L_.T, np.linalg.solve(process.L_, np.eye(len(outputs))))
    errors = process.alpha_.ravel() / np.diag(inverse)
    total = float(((outputs - outputs.mean()) ** 2).sum())
    return 1 - float((errors**2).sum()) / total if total > 0 else 0.0
