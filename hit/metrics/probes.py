"""Classifiers on latents: how well the label can be read off a layer."""

__all__ = ["accuracies", "folds", "independent_points", "scored_points", "shared_variance", "split"]

import math
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from hit.metrics.evaluator import EVALUATOR
from hit.metrics.one_against_one import is_worth_parting, predictions_of
from hit.schema import PROBES

#: Variance of a cross-validated accuracy over the binomial one: classifiers of different folds share most of the points
#: that they are fitted on. The standard deviation over test sets drawn anew is 1.0 to 1.4 times the binomial one, 1.15
#: on average, from 100 to 1,000 points (`python -m tests.benchmarks.accuracy_errors`) and for 120 disjoint sets of 360
#: images of MNIST. A single test set has no unbiased estimate (https://jmlr.org/papers/v5/grandvalet04a.html).
_SHARED = 1.15**2
_NEIGHBOURS = 5
_LOGISTIC_ITERATIONS = 1000  # 30 to 170 are needed at N = 10,000
_SVM_ITERATIONS = 50_000  # at least, however few the points
_SVM_ITERATIONS_PER_POINT = 25  # at most 10 are needed; without a limit libsvm can take hours on heavy tails


def accuracies(features: ArrayLike, labels: ArrayLike, *, threads: int = 1) -> dict[str, float]:
    """Accuracy of each classifier of `hit.schema.PROBES` on points that it was not fitted on.

    A small test set is cross-validated: every point is scored once, by classifiers fitted on the other folds
    (`folds`). Of a large one, they are fitted on 80 % and scored on the other 20 % (`split`), as in the
    measurements of https://arxiv.org/abs/2302.04855. `EVALUATOR.cross_validated` parts the two.

    They are scikit-learn's with their own defaults (C = 1): multinomial logistic regression, one-against-one SVMs
    with an RBF and with a linear kernel, and 5 nearest neighbours. One thing is added. Features are centred, and
    where their root mean square over the fitted part exceeds 1 they are all divided by it: the scale of z_1 is
    free, and a linear SVM on latents of scale 100 takes minutes and stops far from its optimum. One number
    for all dimensions leaves the neighbours and the RBF kernel as they are. Dimensions are not
    standardised each by itself, which would blow up the noise in collapsed ones: on a VAE at β = 4, that
    costs the neighbours 1.5 to 2 points. Features of small scale are left small, as in the paper.

    Scores do not depend on `threads`, and repeat exactly on one machine.

    Args:
        features: N × any latent shape, such as posterior means, or samples.
        labels: N class labels.
        threads: fits at once; each takes one thread. The SVMs of a large test set are fitted pair by pair of classes
            (`hit.metrics.one_against_one`), so that threads share them evenly.

    Returns:
        Accuracy in [0, 1] by name, over `scored_points(N)` points. Empty where there is nothing to measure: fewer
        than 5 points, or features that are not finite. Where the fitted points are all of one class, or all
        alike, the score is that of betting on their most frequent class.

    Raises:
        ValueError: not as many labels as features.
    """
    x, y = np.asarray(features), np.asarray(labels)
    if x.ndim < 2 or y.shape != x.shape[:1]:
        raise ValueError(f"expected features N × d and N labels, got {x.shape} and {y.shape}")
    if scored_points(len(x)) == 0 or not np.isfinite(x).all():
        return {}
    x = x.reshape(len(x), -1).astype(np.float64)
    parts = folds(y) if EVALUATOR.cross_validates(len(x)) else [split(len(x))]

    from sklearn.exceptions import ConvergenceWarning

    with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():  # both of the process
        # A score where the limit of iterations ended the fit is a score like any other, and no news to a user.
        warnings.simplefilter("ignore", ConvergenceWarning)
        with ThreadPoolExecutor(threads, initializer=_one_openmp_thread) as pool:
            right = [_right(x, y, fitted, scored, pool) for fitted, scored in parts]
            return {name: sum(part[name]() for part in right) / scored_points(len(x)) for name in PROBES}


def scored_points(points: int) -> int:
    """How many of so many test points accuracies are measured on: all of a small test set, a fifth of a large one.

    >>> scored_points(360), scored_points(10_000), scored_points(4)
    (360, 2000, 0)
    """
    if EVALUATOR.cross_validates(points):
        return points if points >= EVALUATOR.folds else 0
    return int(points * EVALUATOR.held_out)


def independent_points(points: int) -> float:
    """How many independent points would give an accuracy the standard error that it has over so many test points.

    >>> round(independent_points(360)), independent_points(10_000)
    (272, 2000.0)
    """
    return scored_points(points) / shared_variance(points)


def shared_variance(points: int) -> float:
    """Variance of a score of so many test points over that of as many independent ones, 1 or more."""
    return _SHARED if EVALUATOR.cross_validates(points) else 1.0


def folds(labels: NDArray[Any]) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Indices of the points to fit on and of those scored, once a fold; every point is scored in one of them.

    A fixed permutation of the points, sorted by label, is dealt out to the folds in turn: each has about its share
    of every class, and their sizes differ by one at most.

    Args:
        labels: N class labels, of at least as many points as folds.
    """
    order = np.random.RandomState(EVALUATOR.split_seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    fold = np.empty(len(labels), np.intp)
    fold[order] = np.arange(len(labels)) % EVALUATOR.folds
    return [(np.flatnonzero(fold != one), np.flatnonzero(fold == one)) for one in range(EVALUATOR.folds)]


def split(points: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the points to fit on and of those held out: the last fifth of a fixed permutation.

    The permutation is `numpy.random.RandomState(42).permutation(points)`, whose stream NumPy keeps frozen,
    as in the research code: with its test set in its order, the same points are held out.

    >>> fitted, held_out = split(10)
    >>> held_out.tolist()
    [3, 6]
    """
    order = np.random.RandomState(EVALUATOR.split_seed).permutation(points)
    kept = points - int(points * EVALUATOR.held_out)
    return order[:kept], order[kept:]


def _right(
    x: NDArray[np.float64],
    y: NDArray[Any],
    fitted: NDArray[np.intp],
    scored: NDArray[np.intp],
    pool: ThreadPoolExecutor,
) -> dict[str, Callable[[], int]]:
    """How many of the scored points each classifier has right, once its fit in the pool has ended."""
    x = x - x[fitted].mean(axis=0)
    x /= max(1.0, math.sqrt(np.square(x[fitted]).mean()))
    x_fitted, x_scored, y_fitted, y_scored = x[fitted], x[scored], y[fitted], y[scored]
    classes, counts = np.unique(y_fitted, return_counts=True)
    if len(classes) == 1 or np.ptp(x_fitted, axis=0).max() == 0:
        bet = int(np.sum(y_scored == classes[counts.argmax()]))
        return dict.fromkeys(PROBES, lambda: bet)

    def predictions(classifier: Any) -> Callable[[], Any]:
        if hasattr(classifier, "kernel") and is_worth_parting(len(fitted), len(classes)):
            return predictions_of(classifier, x_fitted, y_fitted, x_scored, pool)
        return pool.submit(lambda: classifier.fit(x_fitted, y_fitted).predict(x_scored)).result

    def right(told: Callable[[], Any]) -> int:
        return int(np.sum(told() == y_scored))

    return {name: partial(right, predictions(classifier)) for name, classifier in _classifiers(len(fitted)).items()}


def _one_openmp_thread() -> None:
    """Two threads of OpenMP and BLAS in fits this small cost up to 50 times the time of one; of this thread."""
    threadpool_limits(1, user_api="openmp")


def _classifiers(points: int) -> dict[str, Any]:
    """The classifiers by name, to be fitted on so many points; first what takes long and is one piece."""
    # Imported here: scikit-learn takes seconds to import, and runs that measure no accuracies need not wait.
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    svm_iterations = max(_SVM_ITERATIONS, _SVM_ITERATIONS_PER_POINT * points)
    return {
        "logistic": LogisticRegression(max_iter=_LOGISTIC_ITERATIONS),
        "svm_linear": SVC(kernel="linear", max_iter=svm_iterations),
        "svm_rbf": SVC(kernel="rbf", max_iter=svm_iterations),
        "knn": KNeighborsClassifier(min(_NEIGHBOURS, points)),
    }
