"""Standard errors of what is measured: of accuracies and R² from the points that they rest on, of means."""

__all__ = ["accuracy_error", "mean_error", "r_squared_error"]

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def accuracy_error(accuracy: ArrayLike, points: ArrayLike) -> NDArray[np.float64]:
    """Standard error of an accuracy over so many independent points.

    With k = accuracy · points of n right, the standard deviation of what the accuracy may be, under a uniform prior:

        sqrt(p (1 − p) / (n + 3)), p = (k + 1) / (n + 2),

    which is the binomial error sqrt(k (n − k) / n³) but for a few points, and is not 0 where all are right, or none.

    Args:
        accuracy: in [0, 1], of any shape.
        points: n, of a shape that fits.

    Returns:
        NaN where an input is.

    >>> accuracy_error([0.9, 1.0], 72).round(4).tolist()
    [0.0362, 0.0133]
    """
    share, count = np.asarray(accuracy, float), np.asarray(points, float)
    likely = (share * count + 1) / (count + 2)
    return np.asarray(np.sqrt(likely * (1 - likely) / (count + 3)))


def mean_error(values: ArrayLike) -> float | None:
    """Standard error of the mean of independent values: their sample standard deviation over √N; None of one or none.

    Args:
        values: N numbers.

    >>> mean_error([1.0, 3.0])
    1.0
    """
    numbers = np.asarray(values, np.float64)
    return float(numbers.std(ddof=1)) / math.sqrt(len(numbers)) if len(numbers) > 1 else None


def r_squared_error(squares: ArrayLike, spread: ArrayLike) -> float | None:
    """Standard error of R² = 1 − Σ e² / Σ d² over independent points, by the delta method; None of fewer than two.

    A ratio of two means moves with each point by (e_n² − (1 − R²) d_n²) / mean(d²), whose standard deviation over √N
    is the error.

    Args:
        squares: e_n², of the guesses.
        spread: d_n² = (y_n − ȳ)², not all zero.

    >>> round(r_squared_error([0.1, 0.3], [1.0, 1.0]), 6)
    0.1
    """
    errors, around = np.asarray(squares, np.float64), np.asarray(spread, np.float64)
    return mean_error((errors - errors.sum() / around.sum() * around) / around.mean())
