"""What information allows: the accuracy α of guesses of a class, f(α) ≤ I(y; z), and the R² of guesses of a number."""

__all__ = ["accuracy_bound", "information_needed", "entropy_power", "r_squared_bound"]

import math
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

#: Fewer draws, or more of them that repeat others, tell no density.
_FEWEST, _REPEATED = 20, 0.05
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


def r_squared_bound(information: Array | float, entropy_power: float) -> Array:
    """The highest R² that a regression on z can have where I(y; z) is `information`.

        R² ≤ 1 − N(y) / Var(y) · exp(−2 I(y; z)),   N(y) = exp(2 h(y)) / (2πe).

    Whatever the guess ŷ(z), Var(y|z) is at most its mean squared error; a Gaussian has the most entropy for its
    variance and the logarithm is concave, so that h(y|z) = h(y) − I(y; z) ≤ ½ ln(2πe E(y − ŷ)²). That is Shannon's
    lower bound on the rate-distortion function (Cover and Thomas, Elements of Information Theory, chapter 10,
    https://doi.org/10.1002/047174882X). Of a Gaussian y the entropy power N(y) is the variance, and the bound is
    1 − exp(−2 I), reached by a Gaussian channel; of any other y it is less, and the bound wider.

    It assumes that y has a density, and that points are independent draws: of numbers with steps, I nats tell which
    step, and the error may be 0.

    Args:
        information: I(y; z), or a rate that bounds it: as z knows of y by x alone,
            I(y; z_l) ≤ I(x; z_l) ≤ R_l + … + R_L.
        entropy_power: N(y) / Var(y), in [0, 1], see `entropy_power`; 0 allows everything.

    >>> r_squared_bound(0.5 * math.log(4.0), 1.0).item()
    0.75
    """
    return np.asarray(1.0 - entropy_power * np.exp(-2.0 * np.maximum(np.asarray(information, np.float64), 0.0)))


def entropy_power(labels: ArrayLike) -> tuple[float, float] | None:
    """N(y) / Var(y) of draws of y, at most 1, and the standard error of its logarithm; None where y has no density.

    The entropy is estimated by spacings (Vasicek 1976, https://doi.org/10.1111/j.2517-6161.1976.tb01566.x), from
    below: of 360 Gaussian draws by some 0.05 nats, which makes the bound on R² wider, never closer. Where over a
    twentieth of the draws repeat others, numbers have steps.

    Args:
        labels: N numbers.

    >>> entropy_power([1.0, 2.0, 2.0, 2.0]) is None
    True
    """
    y = np.asarray(labels, np.float64)
    if len(y) < _FEWEST or len(np.unique(y)) < (1 - _REPEATED) * len(y) or not y.var() > 0:
        return None
    standard = np.sort((y - y.mean()) / y.std())
    window = math.floor(math.sqrt(len(y)) + 0.5)
    padded = np.pad(standard, window, mode="edge")
    spacings = padded[2 * window :] - padded[: -2 * window]
    if not (spacings > 0).all():
        return None
    # ln N(y)/Var(y) is a mean over the draws: of −2 ln p(y) − y², up to a constant.
    terms = 2 * np.log(len(y) / (2 * window) * spacings)
    value = math.exp(float(terms.mean()) - math.log(2 * math.pi * math.e))
    return min(1.0, value), float((terms - standard**2).std()) / math.sqrt(len(y))


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
