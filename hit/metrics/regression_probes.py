"""Regressions on latents: how well a continuous label can be read off a layer."""

__all__ = ["RSquared", "r_squared"]

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from hit.metrics.evaluator import EVALUATOR
from hit.metrics.probes import folds, scored_points, shared_variance, split
from hit.metrics.standard_errors import r_squared_error

_NEIGHBOURS = 5
#: Strengths of the ridge penalty, of which generalised cross-validation on the fitted points chooses one.
_PENALTIES = np.logspace(-3, 3, 7)
#: Points of Nyström's approximation of the kernel; where there are no more, it is the kernel itself.
_LANDMARKS = 1000

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RSquared:
    """How much of a label's variance a regression explains.

    Attributes:
        value: R², at most 1; 0 is that of guessing the mean, and worse guesses are below it.
        error: its standard error; None of a single point.
    """

    value: float
    error: float | None


def r_squared(features: ArrayLike, labels: ArrayLike, *, threads: int = 1) -> dict[str, RSquared]:
    """R² of each regression of `hit.schema.REGRESSIONS` on points that it was not fitted on.

        R² = 1 − Σ (y − ŷ)² / Σ (y − ȳ)²   over the scored points.

    The points are those of `hit.metrics.accuracies`: a small test set is cross-validated, every point being scored
    once by regressions fitted on the other folds, which are plain ones; of a large one, the last fifth of a fixed
    permutation is scored. Features are centred, and divided by one number where their root mean square exceeds 1, as
    there; labels are standardised by the fitted points.

    Ridge regression and kernel ridge regression have their penalty chosen out of 0.001 … 1000 by generalised
    cross-validation on the fitted points (scikit-learn's RidgeCV). The kernel is RBF with the width of scikit-learn's
    SVM, γ = 1 / (d Var x), by Nyström's approximation (Williams and Seeger 2000,
    https://papers.nips.cc/paper/1866) with 1,000 of the fitted points, drawn by a fixed seed; of up to 1,000 it is
    exact. The neighbours are 5, as for classes.

    Args:
        features: N × any latent shape, such as posterior means, or samples.
        labels: N numbers.
        threads: regressions fitted at once; each takes one thread.

    Returns:
        By name. Empty where there is nothing to measure: fewer than 5 points, features or labels that are not finite,
        or scored labels that are all alike.

    Raises:
        ValueError: not as many labels as features.
    """
    x, y = np.asarray(features), np.asarray(labels, np.float64)
    if x.ndim < 2 or y.shape != x.shape[:1]:
        raise ValueError(f"expected features N × d and N labels, got {x.shape} and {y.shape}")
    if scored_points(len(x)) == 0 or not np.isfinite(x).all() or not np.isfinite(y).all():
        return {}
    x = x.reshape(len(x), -1).astype(np.float64)
    crossed = EVALUATOR.cross_validates(len(x))
    parts = folds(np.zeros(len(y))) if crossed else [split(len(x))]
    of_all = np.concatenate([scored for _, scored in parts])
    if np.ptp(y[of_all]) == 0:
        return {}
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        pending = [_predictions(x, y, fitted, scored, pool) for fitted, scored in parts]
        guesses = {name: np.concatenate([part[name].result() for part in pending]) for name in pending[0]}
    widened = math.sqrt(shared_variance(len(x)))
    return {name: _scored(y[of_all], guess, widened) for name, guess in guesses.items()}


def _scored(y: Array, guess: Array, widened: float) -> RSquared:
    squares, spread = np.square(y - guess), np.square(y - y.mean())
    error = r_squared_error(squares, spread)
    return RSquared(float(1 - squares.sum() / spread.sum()), None if error is None else error * widened)


def _predictions(
    x: Array, y: Array, fitted: NDArray[np.intp], scored: NDArray[np.intp], pool: ThreadPoolExecutor
) -> dict[str, Any]:
    """What each regression says of the scored points, as futures of the pool."""
    x = x - x[fitted].mean(axis=0)
    x /= max(1.0, math.sqrt(np.square(x[fitted]).mean()))
    centre, scale = y[fitted].mean(), float(y[fitted].std())
    x_fitted, x_scored = x[fitted], x[scored]
    alike = scale == 0 or np.ptp(x_fitted, axis=0).max() == 0

    def predict(regression: Any) -> Array:
        if alike:
            return np.full(len(scored), centre)
        # Two threads of OpenMP in fits this small cost up to 50 times the time of one.
        with threadpool_limits(1, user_api="openmp"):  # of this thread
            told = regression.fit(x_fitted, (y[fitted] - centre) / scale).predict(x_scored)
        return np.asarray(told * scale + centre, np.float64)

    return {name: pool.submit(predict, regression) for name, regression in _regressions(x_fitted).items()}


def _regressions(x: Array) -> dict[str, Any]:
    """The regressions by name, to be fitted on points x (N × d); the dearest first."""
    # Imported here: scikit-learn takes seconds to import, and runs that measure no latents need not wait.
    from sklearn.kernel_approximation import Nystroem
    from sklearn.linear_model import RidgeCV
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.pipeline import make_pipeline

    landmarks, gamma = min(_LANDMARKS, len(x)), 1 / (x.shape[1] * max(float(x.var()), 1e-12))
    kernel = Nystroem(kernel="rbf", gamma=gamma, n_components=landmarks, random_state=EVALUATOR.split_seed)
    return {
        "kernel_ridge": make_pipeline(kernel, RidgeCV(_PENALTIES)),
        "ridge": RidgeCV(_PENALTIES),
        "knn": KNeighborsRegressor(min(_NEIGHBOURS, len(x))),
    }
