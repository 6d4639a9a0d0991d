"""How an application's score is made of metrics, of runs and of points that nobody has trained."""

__all__ = ["BalanceScore", "Score", "SingleScore", "WeightedScore"]

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.frame import values
from analysis.recommendation.objectives import Objective, front_extremes
from hit.schema import Direction

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

#: Of a trade-off, so that of two points that are equally far from the best, the one that is better in more wins.
_SUM = 1e-3


class Score(ABC):
    """One number of metrics that are known at M points, in each of D ways that they may be."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """The metrics that it is made of."""

    @property
    @abstractmethod
    def direction(self) -> Direction:
        """Which way it is better."""

    @abstractmethod
    def of(self, metrics: Mapping[str, Floats], allowed: Bools) -> Floats:
        """The score, D×M.

        Args:
            metrics: by name, D×M each.
            allowed: which points keep the constraints, D×M.
        """

    def ends(self, metrics: Mapping[str, Floats], allowed: Bools) -> Indices:
        """Indices of points that the score of others is relative to, in one of the ways; none for most scores.

        Args:
            metrics: by name, D×M each.
            allowed: which points keep the constraints, D×M.
        """
        del metrics, allowed
        return np.arange(0)

    def redrawn(self, chance: np.random.Generator, count: int) -> "Score":
        """The same for `count` other sets of runs that might have been had; itself where it depends on no set.

        Args:
            chance: where randomness comes from.
            count: D of the metrics that it will be asked of.
        """
        del chance, count
        return self

    @property
    def sign(self) -> float:
        """1 where more is better, −1 where less is."""
        return 1.0 if self.direction == "maximize" else -1.0


@dataclass(frozen=True)
class SingleScore(Score):
    """One metric as it is.

    Attributes:
        name: in the store.
        better: the direction.
    """

    name: str
    better: Direction

    @property
    def names(self) -> tuple[str, ...]:
        """The metric."""
        return (self.name,)

    @property
    def direction(self) -> Direction:
        """As it was given."""
        return self.better

    def of(self, metrics: Mapping[str, Floats], allowed: Bools) -> Floats:
        """The metric."""
        del allowed
        return metrics[self.name]


@dataclass(frozen=True, eq=False)
class WeightedScore(Score):
    """Σ w (m − centre) / scale, where centre and scale are the metrics' mean and standard deviation over the runs.

    Attributes:
        weights: metric → w.
        rows: metric → its values over the runs, N.
        centres, scales: metric → a number, or a column of D of them.
    """

    weights: Mapping[str, float]
    rows: Mapping[str, Floats]
    centres: Mapping[str, Floats]
    scales: Mapping[str, Floats]

    @classmethod
    def over(cls, weights: Mapping[str, float], runs: pd.DataFrame) -> "WeightedScore":
        """Relative to these runs."""
        rows = {name: values(runs, name).to_numpy(float) for name in weights}
        centres = {name: np.asarray(own.mean()) for name, own in rows.items()}
        scales = {name: np.maximum(own.std(), 1e-12) for name, own in rows.items()}
        return cls(weights, rows, centres, scales)

    @property
    def names(self) -> tuple[str, ...]:
        """Those with a weight."""
        return tuple(self.weights)

    @property
    def direction(self) -> Direction:
        """More is better."""
        return "maximize"

    def of(self, metrics: Mapping[str, Floats], allowed: Bools) -> Floats:
        """The sum."""
        total = np.zeros(allowed.shape)
        for name, weight in self.weights.items():
            total += weight * (metrics[name] - self.centres[name]) / self.scales[name]
        return total

    def redrawn(self, chance: np.random.Generator, count: int) -> "WeightedScore":
        """Standard deviations over runs that are drawn again from those that there are (Rubin's Bayesian bootstrap)."""
        shares = chance.dirichlet(np.ones(len(next(iter(self.rows.values())))), count)
        centres = {name: (shares @ own)[:, None] for name, own in self.rows.items()}
        squares = {name: (shares @ own**2)[:, None] - centres[name] ** 2 for name, own in self.rows.items()}
        scales = {
            name: np.where(self.scales[name] > 1e-12, np.sqrt(np.maximum(own, 1e-24)), self.scales[name])
            for name, own in squares.items()
        }
        return replace(self, centres=centres, scales=scales)


@dataclass(frozen=True)
class BalanceScore(Score):
    """The largest distance from the best of each metric, in units of the front's extent.

    Attributes:
        objectives: the metrics that are traded off.
    """

    objectives: tuple[Objective, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Those of the objectives."""
        return tuple(one.name for one in self.objectives)

    @property
    def direction(self) -> Direction:
        """Near is better."""
        return "minimize"

    def of(self, metrics: Mapping[str, Floats], allowed: Bools) -> Floats:
        """Each way with the front of its own allowed points; NaN where it allows none."""
        costs = np.stack([one.sign * metrics[one.name] for one in self.objectives], axis=-1)
        if len(self.objectives) == 2 and len(costs) > 1:
            return _between_two(costs, allowed)
        found = np.full(costs.shape[:2], np.nan)
        for row, (own, kept) in enumerate(zip(costs, allowed, strict=True)):
            if kept.any():
                low, high = (own[kept][ends].diagonal() for ends in front_extremes(own[kept]))
                away = (own - low) / np.maximum(high - low, 1e-12)
                found[row] = away.max(1) + _SUM * away.sum(1)
        return found

    def ends(self, metrics: Mapping[str, Floats], allowed: Bools) -> Indices:
        """The ends of each way's front, by which distances are measured: among few points a front is shorter."""
        costs = np.stack([one.sign * metrics[one.name] for one in self.objectives], axis=-1)
        places = zip((np.flatnonzero(kept) for kept in allowed), costs, strict=True)
        ends = [own[np.concatenate(front_extremes(cost[own]))] for own, cost in places if len(own)]
        return np.unique(np.concatenate([np.arange(0), *ends]))


def _between_two(costs: Floats, allowed: Bools) -> Floats:
    """`BalanceScore.of` two metrics that no two points share: the ends of a front are the best points of each."""
    open_to_all: Floats = np.where(allowed[:, :, None], costs, np.inf)
    best = open_to_all.min(1, keepdims=True)
    ends = np.take_along_axis(open_to_all, open_to_all.argmin(1)[:, ::-1][:, None, :], axis=1)
    with np.errstate(invalid="ignore"):
        away = (costs - best) / np.maximum(ends - best, 1e-12)
    found = np.where(allowed.any(axis=1, keepdims=True), away.max(-1) + _SUM * away.sum(-1), np.nan)
    return np.asarray(found)
