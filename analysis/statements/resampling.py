"""Statistics of runs with intervals: the bootstrap over settings of β and over seeds at once.

Runs of one β share it, and runs of one seed share initial weights and the order of batches: neither are independent
draws. Both are drawn again, independently, and a run counts as often as its β times as often as its seed was drawn
(the pigeonhole bootstrap, Owen 2007, https://doi.org/10.1214/07-AOAS122). Runs of (nearly) one seed show nothing of how
seeds differ: their interval is over β alone.
"""

__all__ = ["LEVEL", "Resamples", "correlation", "partial_correlation", "rank_correlation", "slopes", "weighted_ranks"]

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from analysis.frame import group_names, values
from analysis.recommendation.gain import Seeds
from analysis.statements.finding import Statistic

Floats = npt.NDArray[np.float64]

#: Of intervals: as much is left out below as above.
LEVEL = 0.9
_DRAWS = 400
#: Share of the draws in which a statistic has to be defined for an interval.
_DEFINED = 0.9
#: Added to variances of 1: a correlation may be perfect.
_RIDGE = 1e-9
_NEAR_ONE = 1 - 1e-9


@dataclass(frozen=True, eq=False)
class Resamples:
    """How often each of N runs counts in each of D draws.

    Attributes:
        weights: D×N.
        over: what was drawn again, for people.
    """

    weights: Floats
    over: str

    @classmethod
    def of(cls, rows: pd.DataFrame, draws: int = _DRAWS, seed: int = 0) -> "Resamples":
        """Of these runs."""
        chance = np.random.default_rng(seed)
        cells = pd.factorize(group_names(rows).astype(str))[0]
        weights, spread = _counts(cells, draws, chance), Seeds.of(rows)
        if not spread.differ:
            return cls(weights, f"over β alone: {spread.told}")
        seeds = pd.factorize(values(rows, "seed").fillna(-1.0))[0]
        return cls(weights * _counts(seeds, draws, chance), "over β and seeds")

    def correlated(self, name: str, of: Callable[[Floats], Floats]) -> Statistic:
        """A correlation, with an interval by the spread of its Fisher transform artanh(ρ) over the draws.

        Quantiles of the draws themselves lie too low near 1, since draws hold runs several times.
        """

        def transformed(weights: Floats) -> Floats:
            return np.asarray(np.arctanh(np.clip(of(weights), -_NEAR_ONE, _NEAR_ONE)))

        found = self.statistic(name, transformed, normal=True)
        if found.low is None or found.high is None:
            return Statistic(name, math.tanh(found.value))
        return Statistic(name, math.tanh(found.value), math.tanh(found.low), math.tanh(found.high))

    def statistic(
        self, name: str, of: Callable[[Floats], Floats], unit: str = "", *, normal: bool = False
    ) -> Statistic:
        """A statistic of all runs, with its interval.

        Args:
            name: for people.
            of: its values for weights of shape (draws, runs).
            unit: of the statistic.
            normal: whether the interval is that of a normal distribution with the spread of the draws, instead of
                their quantiles.
        """
        with np.errstate(invalid="ignore", divide="ignore"):
            value = float(of(np.ones((1, self.weights.shape[1])))[0])
            drawn = of(self.weights)
        known = drawn[np.isfinite(drawn)]
        if not np.isfinite(value) or len(known) < _DEFINED * len(drawn):
            return Statistic(name, value, unit=unit)
        if normal:
            half = float(norm.ppf((1 + LEVEL) / 2) * known.std())
            return Statistic(name, value, value - half, value + half, unit)
        low, high = map(float, np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
        return Statistic(name, value, min(low, value), max(high, value), unit)


def weighted_ranks(numbers: Floats, weights: Floats) -> Floats:
    """Ranks of N numbers that count w times each, ties in the middle of theirs, as quantiles in [0, 1], D×N.

    >>> weighted_ranks(np.array([3.0, 1.0]), np.array([[1.0, 1.0], [3.0, 1.0]])).tolist()
    [[0.75, 0.25], [0.625, 0.125]]
    """
    _, place = np.unique(numbers, return_inverse=True)
    sums = np.zeros((len(weights), int(place.max()) + 1))
    np.add.at(sums.T, place, weights.T)
    middle = sums.cumsum(1) - sums / 2
    return np.asarray(middle[:, place] / weights.sum(1, keepdims=True))


def rank_correlation(some: Floats, others: Floats) -> Callable[[Floats], Floats]:
    """Spearman's ρ as a function of weights; of weights 1 it is that of `scipy.stats.spearmanr`."""

    def of(weights: Floats) -> Floats:
        return correlation(weighted_ranks(some, weights), weighted_ranks(others, weights), weights)

    return of


def partial_correlation(numbers: Floats, by: Floats, column: int) -> Callable[[Floats], Floats]:
    """Spearman's ρ of N numbers with one column of N×K, the ranks of the other columns held."""

    def of(weights: Floats) -> Floats:
        columns = [numbers, *by.T]
        ranks = np.stack([weighted_ranks(own, weights) for own in columns])
        matrix = np.stack([[correlation(one, other, weights) for other in ranks] for one in ranks])
        matrix = np.moveaxis(matrix, -1, 0)
        usable = np.isfinite(matrix).all((1, 2))
        inverse = np.full_like(matrix, np.nan)
        inverse[usable] = np.linalg.inv(matrix[usable] + _RIDGE * np.eye(len(ranks)))
        place = column + 1
        return np.asarray(-inverse[:, 0, place] / np.sqrt(inverse[:, 0, 0] * inverse[:, place, place]))

    return of


def slopes(numbers: Floats, by: Floats, column: int) -> Callable[[Floats], Floats]:
    """Slope of N numbers along one column of N×K in the least-squares plane through all of them."""
    design = np.column_stack([np.ones(len(numbers)), by])

    def of(weights: Floats) -> Floats:
        squares = np.einsum("dn,ni,nj->dij", weights, design, design)
        products = np.einsum("dn,ni,n->di", weights, design, numbers)
        solved = np.linalg.pinv(squares, hermitian=True) @ products[..., None]
        return np.asarray(solved[:, column + 1, 0])

    return of


def correlation(some: Floats, others: Floats, weights: Floats) -> Floats:
    """Pearson's r of D×N numbers that count `weights` times each."""
    total = weights.sum(1)
    first = some - ((weights * some).sum(1) / total)[:, None]
    second = others - ((weights * others).sum(1) / total)[:, None]
    both = (weights * first * second).sum(1)
    size = np.sqrt((weights * first**2).sum(1) * (weights * second**2).sum(1))
    return np.asarray(np.where(size > 1e-12 * total, both / np.where(size > 0, size, 1.0), np.nan))


def _counts(members: npt.NDArray[np.intp], draws: int, chance: np.random.Generator) -> Floats:
    """How often the cluster of each run is drawn."""
    clusters = int(members.max()) + 1
    drawn = chance.multinomial(clusters, np.full(clusters, 1 / clusters), size=draws)
    return np.asarray(drawn[:, members], float)
