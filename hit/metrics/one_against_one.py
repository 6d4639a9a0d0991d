"""Support vector machines one against one in pieces that threads share; the predictions are those of libsvm."""

__all__ = ["is_worth_parting", "predictions_of"]

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sklearn.svm import SVC

#: Points a class from which pieces pay: below, each of them takes longer to prepare than to fit.
_POINTS_A_CLASS = 200
#: Points that are predicted in one piece.
_ROWS = 250

Array = NDArray[np.float64]


def is_worth_parting(points: int, classes: int) -> bool:
    """Whether machines for so many points are fitted in less time pair by pair.

    >>> is_worth_parting(8000, 10), is_worth_parting(288, 10), is_worth_parting(8000, 100)
    (True, False, False)
    """
    return points >= _POINTS_A_CLASS * classes


def predictions_of(machine: "SVC", x: Array, y: NDArray[Any], scored: Array, pool: Executor) -> Callable[[], Any]:
    """What `machine.fit(x, y).predict(scored)` returns, by work that a pool shares out.

    For M classes libsvm (Chang and Lin 2011, https://doi.org/10.1145/1961189.1961199) fits M (M − 1) / 2 machines, one
    after the other in one thread, each to the points of two classes. Every machine votes for one of its two, and of
    the classes with most votes the first is predicted. Here each machine is a piece of work, fitted by libsvm itself to
    the same points in the same order: it comes out the same to the last bit. The values of machines at points are
    matrix products, in pieces, too; where their rounding leaves the vote open, libsvm is asked.

    Args:
        machine: not fitted, with the kernel `rbf` or `linear` and γ as `scale`.
        x: N × d.
        y: N labels of at least two classes.
        scored: n × d.
        pool: of threads; it is given the fits at once, the largest first.

    Returns:
        What waits for the fits, has the pool predict, and returns n labels.
    """
    classes, number = np.unique(y, return_inverse=True)
    spread = x.var()
    gamma = float(1 / (x.shape[1] * spread)) if spread else 1.0  # that of all points, not of two classes

    def fit(pair: tuple[int, int]) -> "SVC":
        from sklearn.base import clone

        own = np.isin(number, pair)
        return clone(machine).set_params(gamma=gamma, random_state=0).fit(x[own], number[own])

    def fitted(pair: tuple[int, int]) -> _Machine:
        one = fit(pair)  # which holds a copy of its support vectors
        support = np.flatnonzero(np.isin(number, pair))[one.support_]
        return _Machine(support, one.dual_coef_[0], float(one.intercept_[0]))

    counts = np.bincount(number)
    pairs = list(itertools.combinations(range(len(classes)), 2))
    largest_first = sorted(pairs, key=lambda pair: -counts[list(pair)].sum())
    submitted = {pair: pool.submit(fitted, pair) for pair in largest_first}

    def predict() -> Any:
        values_at = _values(machine.kernel, gamma, x, [submitted[pair].result() for pair in pairs])
        parts = [scored[first : first + _ROWS] for first in range(0, len(scored), _ROWS)]
        told = [one.result() for one in [pool.submit(values_at, part) for part in parts]]
        values, doubts = (np.concatenate(some) for some in zip(*told, strict=True))
        votes = np.zeros((len(scored), len(classes)), np.int64)
        for (first, second), value, doubt in zip(pairs, values.T, doubts.T, strict=True):
            if (is_open := np.abs(value) <= doubt).any():
                value[is_open] = fit((first, second)).decision_function(scored[is_open])
            votes[:, first] += value < 0
            votes[:, second] += value >= 0
        return classes[votes.argmax(1)]

    return predict


@dataclass(frozen=True)
class _Machine:
    """A fitted machine of two classes, negative where the first of them is.

    Attributes:
        support: indices of its support vectors.
        weights: of each of them.
        intercept: is added.
    """

    support: NDArray[np.intp]
    weights: Array
    intercept: float


def _values(
    kernel: str, gamma: float, x: Array, machines: Sequence[_Machine]
) -> Callable[[Array], tuple[Array, Array]]:
    """The function of n points to the values of all machines there (n × machines), and how far rounding may be off."""
    weights = np.zeros((len(x), len(machines)))
    for column, machine in enumerate(machines):
        weights[machine.support, column] = machine.weights
    intercepts = np.array([machine.intercept for machine in machines])
    sizes, squares = np.abs(weights).sum(0), np.square(x).sum(1)
    largest, operations = squares.max(), sum(x.shape)
    directions = x.T @ weights

    def values_at(points: Array) -> tuple[Array, Array]:
        own = np.square(points).sum(1)
        if kernel == "linear":
            values, scale = points @ directions, np.sqrt(largest * own)
        else:
            distances = np.maximum(own[:, None] + squares - 2 * (points @ x.T), 0)
            values, scale = np.exp(-gamma * distances) @ weights, 1 + gamma * (largest + own)
        error = np.finfo(float).eps * operations * (np.outer(scale, sizes) + np.abs(intercepts))
        return values + intercepts, error

    return values_at
