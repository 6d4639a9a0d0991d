"""The accuracy that information allows: f(α) ≤ I(y; z), and its inverse."""

__all__ = ["accuracy_bound", "information_needed"]

import math
from typing import overload

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

_HALVINGS = 60  # of an interval no longer than 1: below the spacing of doubles near 1/M

Array = NDArray[np.float64]


@overload
def information_needed(accuracy: float, label_entropy: float, classes: int) -> float: ...
@overload
def information_needed(accuracy: Array, label_entropy: float, classes: int) -> Array: ...
def information_needed(accuracy: float | Array, label_entropy: float, classes: int) -> float | Array:
    """The least I(y; z) with which a classifier of z can reach an accuracy α, nats.

        f(α) = H(y) + α ln α + (1 − α) ln((1 − α) / (M − 1)),   1/M ≤ α ≤ 1,

    which is Fano's inequality: f(α) ≤ I(y; z) ≤ R_L for a classifier that sees samples z ~ q(z_L|x)
    (https://arxiv.org/abs/2302.04855). f increases from H(y) − ln M ≤ 0 at chance to H(y) at α = 1.

    Args:
        accuracy: α in [1/M, 1], a number or an array.
        label_entropy: H(y), nats, of the class frequencies of the data at hand.
        classes: M.

    Returns:
        Nats, shaped like `accuracy`. Negative where chance alone does better than α.

    Raises:
        ValueError: a value out of its range, or not a number.

    >>> round(information_needed(0.5, math.log(2), 2), 12)
    0.0
    """
    _check(label_entropy, classes)
    alpha = np.asarray(accuracy, dtype=np.float64)
    if not np.all((alpha >= 1 / classes) & (alpha <= 1)):
        raise ValueError(f"accuracy must be from 1/M = {1 / classes:.6g} to 1, got {accuracy}")
    return _shaped(_f(alpha, label_entropy, classes), accuracy)


@overload
def accuracy_bound(information: float, label_entropy: float, classes: int) -> float: ...
@overload
def accuracy_bound(information: Array, label_entropy: float, classes: int) -> Array: ...
def accuracy_bound(information: float | Array, label_entropy: float, classes: int) -> float | Array:
    """The highest accuracy that a classifier of z can have where I(y; z) is `information`: the inverse of f.

    f is increasing, so it is inverted by bisection, for all entries at once. Information of H(y) or
    more allows 1, of f(1/M) or less only chance, 1/M. Where the classes are not equally frequent,
    no information at all still allows a little more than 1/M, as it should: one can bet on the most
    frequent class.

    Args:
        information: I(y; z), or the rate R_L that bounds it, nats, a number or an array; infinity is 1.
        label_entropy: H(y), nats, of the class frequencies of the data at hand.
        classes: M.

    Returns:
        Accuracies in [1/M, 1], shaped like `information`.

    Raises:
        ValueError: a value out of its range, or not a number.

    >>> accuracy_bound(0.0, math.log(10), 10), accuracy_bound(9.0, math.log(10), 10)
    (0.1, 1.0)
    """
    _check(label_entropy, classes)
    wanted = np.asarray(information, dtype=np.float64)
    if np.isnan(wanted).any():
        raise ValueError(f"information must be a number, got {information}")
    low, high = np.full(wanted.shape, 1 / classes), np.ones(wanted.shape)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        below = _f(middle, label_entropy, classes) < wanted
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    # the ends by hand: f is flat at chance, where rounding would decide
    bound = np.where(wanted <= _f(np.array(1 / classes), label_entropy, classes), 1 / classes, high)
    return _shaped(np.where(wanted >= label_entropy, 1.0, bound), information)


def _f(alpha: Array, label_entropy: float, classes: int) -> Array:
    wrong = 1 - alpha
    others = math.log(max(classes - 1, 1))  # one class: α = 1 is all there is
    f: Array = label_entropy + xlogy(alpha, alpha) + xlogy(wrong, wrong) - wrong * others
    return f


def _shaped(values: Array, like: float | Array) -> float | Array:
    return values if isinstance(like, np.ndarray) else float(values)


def _check(label_entropy: float, classes: int) -> None:
    if classes < 1:
        raise ValueError(f"classes must be positive, got {classes}")
    ceiling = math.log(classes)
    if not 0 <= label_entropy <= ceiling + 1e-9:
        raise ValueError(f"label_entropy must be from 0 to ln M = {ceiling:.6g} nats, got {label_entropy}")
