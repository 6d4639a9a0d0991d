"""A metric over some space as a Gaussian process, which says what runs would give that nobody has trained."""

__all__ = ["ROUGHNESS", "Surrogate", "learned_kernel"]

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import solve_triangular
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, DotProduct, Matern, WhiteKernel

from analysis.recommendation.measurement_noise import MeasurementNoise
from analysis.recommendation.reach import spread_and_drawn

Floats = npt.NDArray[np.float64]

#: Runs that the kernel's scales are learned from, and that predictions rest on; more cost time and add little.
_LEARNED, _CONDITIONED = 150, 500
#: Kernels that a surrogate averages over, those that are tried for it, and how far from the likeliest (in logs), by
#: Student's t with so many degrees of freedom, whose tails reach what a normal distribution would miss.
_KERNELS, _TRIED, _STEP, _FREEDOM = 12, 96, 0.6, 4
#: A metric that varies by less, beside its mean, is the same for all runs.
_ROUNDING = 1e-12
#: ν of the Matérn kernels: how rough a metric is. Runs hardly tell (of the recorded digits both are as likely, by a
#: factor of about two), while the differences of near points are twice as uncertain by the rougher one.
ROUGHNESS = (2.5, 1.5)
#: Variance that is added to that of drawn functions until it can be decomposed, as a share of that of all runs. More
#: is luck, by which the best of many near points beats the best of few.
_JITTER, _MOST_JITTER = 1e-9, 1e-4
#: Variance of a run about the process, as a share of that of all runs: of few runs one may learn that there is none.
_LEAST_NOISE = 3e-4
#: Metrics are smooth: prior median of a length scale, in standard deviations of the inputs, and its spread in logs.
_SMOOTH, _SMOOTH_STEP = 1.5, 0.6
#: Runs are noisy: prior median of a run's own variance, as a share of that of all runs, and its spread in logs.
SPREAD, _NOISE_STEP = 5e-3, 1.2
#: Of so few runs, the kernel is looked for from much noise, too.
_FEW, _MUCH = 64, 0.3


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A metric m as a function of a point: a plane and a Gaussian process, with a run's noise.

    The processes differ in their roughness, scales and noise, which runs leave uncertain: they are drawn from the
    posterior of these about the likeliest ones, by importance sampling.

    Attributes:
        processes: of the standardised metric without the noise, those that differ.
        shares: how likely each of them is, in parts of `_KERNELS`.
        centre, scale: of the inputs, D each.
        mean, deviation: of the metric over the runs, in its unit.
        noise: standard deviation of one run about the process, in the metric's unit, learned from all of them.
        explained: share of the metric's variance that runs left out one by one are predicted with; at most 1.
    """

    processes: tuple[GaussianProcessRegressor, ...]
    shares: tuple[int, ...]
    centre: Floats
    scale: Floats
    mean: float
    deviation: float
    noise: float
    explained: float

    @classmethod
    def fit(
        cls,
        points: Floats,
        metric: Floats,
        errors: Floats | None = None,
        roughness: Sequence[float] = ROUGHNESS,
        spread: float = SPREAD,
    ) -> "Surrogate":
        """From runs.

        Args:
            points: where they are, such as log(R_l + 1), N×D.
            metric: its values, finite, N.
            errors: their standard errors, N; NaN where none is known.
            roughness: ν of the Matérn kernels that it may be; the smallest is the roughest.
            spread: what is expected of a run's own variance, as a share of that of all runs.
        """
        kept = spread_and_drawn(points, _CONDITIONED)
        points, outputs = points[kept], metric[kept]
        centre, scale = points.mean(0), np.maximum(points.std(0), 1e-3)
        mean, deviation = float(outputs.mean()), max(float(outputs.std()), 1e-12)
        inputs, outputs = (points - centre) / scale, (outputs - mean) / deviation
        known = np.zeros(len(kept)) if errors is None else np.nan_to_num(errors[kept] / deviation)
        few = spread_and_drawn(inputs, _LEARNED)
        likeliest = _likeliest(inputs[few], outputs[few], known[few], roughness, spread)
        kernels = _likely(likeliest, inputs[few], outputs[few], spread)
        processes, shares = [], []
        for kernel, same in kernels:
            processes.append(_process(kernel, known, inputs, outputs))
            shares.append(same)
        noise = float(np.average([np.mean(one.alpha) for one in processes], weights=shares)) ** 0.5
        own = tuple(processes), tuple(shares), centre, scale, mean
        if np.ptp(metric) <= _ROUNDING * abs(mean):  # known everywhere: there is nothing to explain
            return cls(*own, 0.0, 0.0, 1.0)
        explained = float(np.average([_explained(one, outputs) for one in processes], weights=shares))
        return cls(*own, deviation, noise * deviation, explained)

    def predict(self, points: Floats) -> tuple[Floats, Floats]:
        """Mean and standard error of the metric without a run's noise, M each.

        Args:
            points: M×D.
        """
        found = [one.predict(self._inputs(points), return_std=True) for one in self.processes]
        return self._mixed([mean for mean, _ in found], [error**2 for _, error in found])

    def draws(self, points: Floats, count: int, seed: int = 0) -> Floats:
        """Functions that the runs allow, each at all these points, count×M: the same for the same runs and seed.

        Args:
            points: M×D.
            count: how many functions.
            seed: metrics that are drawn independently of each other have different ones.
        """
        return self.predict_and_draw(points, count, seed)[2]

    def predict_and_draw(self, points: Floats, count: int, seed: int = 0) -> tuple[Floats, Floats, Floats]:
        """What `predict` and `draws` return, in half of the time."""
        inputs, chance = self._inputs(points), np.random.default_rng(seed)
        drawn, means, variances = np.empty((count, len(inputs))), [], []
        owners = np.repeat(np.arange(len(self.processes)), self.shares)[np.arange(count) % sum(self.shares)]
        for number, process in enumerate(self.processes):
            mine = owners == number
            mean, covariance = process.predict(inputs, return_cov=True)
            drawn[mine] = mean + chance.standard_normal((int(mine.sum()), len(mean))) @ _root(covariance).T
            means.append(mean)
            variances.append(np.maximum(np.diag(covariance), 0))
        return *self._mixed(means, variances), np.asarray(self.mean + self.deviation * drawn)

    def _mixed(self, means: Sequence[Floats], variances: Sequence[Floats]) -> tuple[Floats, Floats]:
        """Mean and standard error over the processes, in the metric's unit."""
        mean = np.average(means, axis=0, weights=self.shares)
        variance = np.average(variances + (np.stack(means) - mean) ** 2, axis=0, weights=self.shares)
        return self.mean + self.deviation * mean, self.deviation * np.sqrt(variance)

    def _inputs(self, points: Floats) -> Floats:
        return (points - self.centre) / self.scale


def learned_kernel(start: Any, inputs: Floats, outputs: Floats, search: Any = "fmin_l_bfgs_b") -> Any:
    """A kernel whose scales are the likeliest for these data; one that has reached its bound is an answer, too.

    Args:
        start: where the search begins, with the bounds of every scale.
        inputs: N×D.
        outputs: N.
        search: as scikit-learn takes an optimizer.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GaussianProcessRegressor(start, optimizer=search, random_state=0).fit(inputs, outputs).kernel_


def _likeliest(inputs: Floats, outputs: Floats, errors: Floats, roughness: Sequence[float], noise: float) -> list[Any]:
    """Kernels of each roughness that are likeliest together with what is expected of them, searched for from little
    noise and, of few runs, from much: these may be told as a rough metric without noise, or as a smooth one with it."""
    found: list[Any] = []
    prior = _Prior.of(inputs.shape[1], bool(errors.any()), noise)
    for much in (False, True) if len(inputs) <= _FEW else (False,):
        theta = None
        for one in roughness:
            start = _start(inputs.shape[1], errors, one)
            theta = start.theta if theta is None else theta
            if much and one == roughness[0]:
                theta = np.where(prior.precision > 0, prior.middle, theta)
                theta[2 + inputs.shape[1]] = np.log(_MUCH)
            found.append(learned_kernel(start.clone_with_theta(theta), inputs, outputs, prior.search))
            theta = found[-1].theta
    return found


def _start(dimensions: int, errors: Floats, roughness: float) -> Any:
    """Signal + spread (+ measurement), in this order."""
    curved = ConstantKernel(1.0, (1e-2, 1e2)) * Matern(
        length_scale=[_SMOOTH] * dimensions, length_scale_bounds=(0.2, 20.0), nu=roughness
    )
    inclined = ConstantKernel(1.0, (1e-3, 1e1)) * DotProduct(sigma_0=1.0, sigma_0_bounds="fixed")
    start = (curved + inclined) + WhiteKernel(1e-2, (_LEAST_NOISE, 2.0))
    return start + MeasurementNoise(errors) if errors.any() else start


@dataclass(frozen=True, eq=False)
class _Prior:
    """What is expected of the scales of a kernel as `_start` makes it, in logs: normal, flat where the precision is 0.

    Attributes:
        middle, precision: of each scale.
    """

    middle: Floats
    precision: Floats

    @classmethod
    def of(cls, dimensions: int, measured: bool, noise: float) -> "_Prior":
        middle, precision = np.zeros((2, dimensions + 3 + measured))
        middle[1 : 1 + dimensions], precision[1 : 1 + dimensions] = np.log(_SMOOTH), _SMOOTH_STEP**-2
        middle[2 + dimensions], precision[2 + dimensions] = np.log(noise), _NOISE_STEP**-2
        return cls(middle, precision)

    def logs(self, thetas: Floats) -> Floats:
        """Of its density, but for a constant; of many."""
        return np.asarray(-0.5 * (self.precision * (thetas - self.middle) ** 2).sum(-1))

    def search(self, cost: Any, theta: Floats, bounds: Floats) -> tuple[Floats, float]:
        """The scales of the highest likelihood times prior, as scikit-learn asks for them."""

        def both(at: Floats) -> tuple[float, Floats]:
            value, slope = cost(at)
            return value - float(self.logs(at)), slope + self.precision * (at - self.middle)

        found = minimize(both, theta, jac=True, bounds=bounds, method="L-BFGS-B")
        return found.x, float(found.fun)


def _process(kernel: Any, errors: Floats, inputs: Floats, outputs: Floats) -> GaussianProcessRegressor:
    """Of a kernel as `_start` makes it, its noise as that of the runs."""
    share = 0.0
    if isinstance(kernel.k2, MeasurementNoise):
        share, kernel = kernel.k2.share, kernel.k1
    alpha = kernel.k2.noise_level + share * errors**2 + 1e-8
    return GaussianProcessRegressor(kernel.k1, alpha=alpha, optimizer=None).fit(inputs, outputs)


def _likely(likeliest: Sequence[Any], inputs: Floats, outputs: Floats, noise: float) -> list[tuple[Any, int]]:
    """Kernels (how rough, smooth, noisy) drawn by how likely they make the outputs, and how often each. Few runs allow
    many."""
    chance = np.random.default_rng(0)
    tried = [_tried(kernel, inputs, outputs, _TRIED // len(likeliest), chance, noise) for kernel in likeliest]
    kernels = [(kernel, theta) for kernel, (thetas, _) in zip(likeliest, tried, strict=True) for theta in thetas]
    logs = np.concatenate([own for _, own in tried])
    shares = np.exp(logs - logs.max())
    # Systematic resampling: every kernel as often as its share says, but for one.
    ends = np.cumsum(shares / shares.sum())
    drawn = np.searchsorted(ends, (np.arange(_KERNELS) + chance.random()) / _KERNELS)
    places, counts = np.unique(np.minimum(drawn, len(kernels) - 1), return_counts=True)
    chosen = [kernels[place] for place in places]
    return [(kernel.clone_with_theta(theta), int(same)) for (kernel, theta), same in zip(chosen, counts, strict=True)]


def _tried(
    likeliest: Any, inputs: Floats, outputs: Floats, count: int, chance: np.random.Generator, noise: float
) -> tuple[Floats, Floats]:
    """Scales about the likeliest, and the log of likelihood times prior over the density they were drawn with."""
    regressor = GaussianProcessRegressor(likeliest, optimizer=None).fit(inputs, outputs)
    low, high = likeliest.bounds.T
    size = len(likeliest.theta)
    steps = chance.standard_normal((count, size)) / np.sqrt(chance.chisquare(_FREEDOM, (count, 1)) / _FREEDOM)
    steps[0] = 0
    thetas = np.clip(likeliest.theta + _STEP * steps, low, high)
    logs = np.array([regressor.log_marginal_likelihood(theta) for theta in thetas])
    logs += _Prior.of(inputs.shape[1], isinstance(likeliest.k2, MeasurementNoise), noise).logs(thetas)
    logs += 0.5 * (_FREEDOM + size) * np.log1p((steps**2).sum(1) / _FREEDOM)
    return thetas, logs


def _root(covariance: Floats) -> Floats:
    """Its Cholesky factor, with as little variance added as it takes."""
    jitter = _JITTER
    while True:
        try:
            return np.asarray(np.linalg.cholesky(covariance + jitter * np.eye(len(covariance))))
        except np.linalg.LinAlgError:
            if jitter >= _MOST_JITTER:
                raise
            jitter *= 10


def _explained(process: GaussianProcessRegressor, outputs: Floats) -> float:
    """1 − Σ (left-out error)² / Σ (outputs − mean)², by the closed form of Rasmussen and Williams, section 5.4.2."""
    root = solve_triangular(process.L_, np.eye(len(outputs)), lower=True, check_finite=False)
    errors = process.alpha_.ravel() / (root**2).sum(0)
    total = float(((outputs - outputs.mean()) ** 2).sum())
    return 1 - float((errors**2).sum()) / total if total > 0 else 0.0
