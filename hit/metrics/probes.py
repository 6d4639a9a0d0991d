"""Classifiers on latents: how well the label can be read off a layer."""

__all__ = ["accuracies", "held_out", "split"]

import math
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from hit.metrics.evaluator import EVALUATOR
from hit.schema import PROBES

_NEIGHBOURS = 5
_LOGISTIC_ITERATIONS = 1000  # 30 to 170 are needed at N = 10,000
_SVM_ITERATIONS = 50_000  # at least, however few the points
_SVM_ITERATIONS_PER_POINT = 25  # at most 10 are needed; without a limit libsvm can take hours on heavy tails


def accuracies(features: ArrayLike, labels: ArrayLike, *, threads: int = 1) -> dict[str, float]:
    """Accuracy of each classifier of `hit.schema.PROBES`, fitted on 80 % of the points, on the other 20 %.

    scikit-learn's classifiers with their own defaults (C = 1), as in the measurements of
    https://arxiv.org/abs/2302.04855: multinomial logistic regression, one-against-one SVMs with an RBF
    and with a linear kernel, and 5 nearest neighbours. One thing is added. Features are centred, and where
    their root mean square over the fitted part exceeds 1 they are all divided by it: the scale of z_1 is
    free, and a linear SVM on latents of scale 100 takes minutes and stops far from its optimum. One number
    for all dimensions leaves the neighbours and the RBF kernel as they are. Dimensions are not
    standardised each by itself, which would blow up the noise in collapsed ones: on a VAE at β = 4, that
    costs the neighbours 1.5 to 2 points. Features of small scale are left small, as in the paper.

    Scores do not depend on `threads`, and repeat exactly on one machine.

    Args:
        features: N × any latent shape, such as posterior means, or samples.
        labels: N class labels.
        threads: classifiers fitted at once; each takes one thread.

    Returns:
        Accuracy in [0, 1] by name. Empty where there is nothing to measure: fewer than 5 points (none is
        held out), or features that are not finite. Where the fitted points are all of one class, or all
        alike, every score is that of betting on their most frequent class.

    Raises:
        ValueError: not as many labels as features.
    """
    x, y = np.asarray(features), np.asarray(labels)
    if x.ndim < 2 or y.shape != x.shape[:1]:
        raise ValueError(f"expected features N × d and N labels, got {x.shape} and {y.shape}")
    fitted, held_out = split(len(x))
    if len(held_out) == 0 or not np.isfinite(x).all():
        return {}
    x = x.reshape(len(x), -1).astype(np.float64)
    x -= x[fitted].mean(axis=0)
    x /= max(1.0, math.sqrt(np.square(x[fitted]).mean()))
    x_fitted, x_held_out, y_fitted, y_held_out = x[fitted], x[held_out], y[fitted], y[held_out]
    classes, counts = np.unique(y_fitted, return_counts=True)
    if len(classes) == 1 or np.ptp(x_fitted, axis=0).max() == 0:
        return dict.fromkeys(PROBES, float(np.mean(y_held_out == classes[counts.argmax()])))

    def score(classifier: Any) -> float:
        # Two threads of OpenMP and BLAS in fits this small cost up to 50 times the time of one.
        with threadpool_limits(1, user_api="openmp"):  # of this thread
            return float(classifier.fit(x_fitted, y_fitted).score(x_held_out, y_held_out))

    from sklearn.exceptions import ConvergenceWarning

    with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():  # both of the process
        # A score where the limit of iterations ended the fit is a score like any other, and no news to a user.
        warnings.simplefilter("ignore", ConvergenceWarning)
        with ThreadPoolExecutor(threads) as pool:
            pending = {name: pool.submit(score, probe) for name, probe in _classifiers(len(fitted)).items()}
            return {name: pending[name].result() for name in PROBES}


def held_out(points: int) -> int:
    """How many of so many test points accuracies are measured on; the others fit the classifiers."""
    return int(points * EVALUATOR.held_out)


def split(points: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the points to fit on and of those held out: the last fifth of a fixed permutation.

    The permutation is `numpy.random.RandomState(42).permutation(points)`, whose stream NumPy keeps frozen,
    as in the research code: with its test set in its order, the same points are held out.

    >>> fitted, held_out = split(10)
    >>> held_out.tolist()
    [3, 6]
    """
    order = np.random.RandomState(EVALUATOR.split_seed).permutation(points)
    kept = points - held_out(points)
    return order[:kept], order[kept:]


def _classifiers(points: int) -> dict[str, Any]:
    """The classifiers by name, to be fitted on so many points; the dearest first, for threads to share them well."""
    # Imported here: scikit-learn takes seconds to import, and runs that measure no accuracies need not wait.
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC

    svm_iterations = max(_SVM_ITERATIONS, _SVM_ITERATIONS_PER_POINT * points)
    return {
        "svm_rbf": SVC(kernel="rbf", max_iter=svm_iterations),
        "svm_linear": SVC(kernel="linear", max_iter=svm_iterations),
        "logistic": LogisticRegression(max_iter=_LOGISTIC_ITERATIONS),
        "knn": KNeighborsClassifier(min(_NEIGHBOURS, points)),
    }
