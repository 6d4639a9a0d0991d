"""A score at points that nobody has trained, in many ways that the runs allow."""

__all__ = ["DrawnScores", "Surrogates", "beyond_rates", "surrogates"]

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.frame import errors, values
from analysis.recommendation.metric_surrogate import Surrogate
from analysis.recommendation.objectives import Constraint
from analysis.recommendation.reach import seen
from analysis.recommendation.scores import Score, SingleScore

Floats = npt.NDArray[np.float64]
#: By the name of the metric; None for one that a point of rate space says itself.
Surrogates = Mapping[str, Surrogate | None]

_RATE = re.compile(r"test/rate(_[1-9][0-9]*)?\Z")


@dataclass(frozen=True, eq=False)
class DrawnScores:
    """The score at M points.

    Attributes:
        mean, error: of the score, M each.
        likely: probability that the constraints are kept, M.
        utility: the score in each function that is drawn and keeps the constraints somewhere, so that more is better;
            −inf where it breaks them, at most D×M.
        possible: share of the functions that keep them somewhere.
        sign: 1 where more is better, −1 where less is.
        score, metrics, allowed: what it is made of, and which points keep the constraints, D×M each.
    """

    mean: Floats
    error: Floats
    likely: Floats
    utility: Floats
    possible: float
    sign: float
    score: Score
    metrics: Mapping[str, Floats]
    allowed: npt.NDArray[np.bool_]

    @classmethod
    def at(
        cls, points: Floats, known: Surrogates, score: Score, constraints: Sequence[Constraint], count: int
    ) -> "DrawnScores":
        """Of points of rate space.

        Args:
            points: nats per image, M×L.
            known: of every metric of the score and the constraints.
            score: how it is made of them.
            constraints: what is to be kept.
            count: how many functions are drawn.
        """
        logs = seen(points)
        drawn: dict[str, Floats] = {}
        predicted: dict[str, tuple[Floats, Floats]] = {}
        for seed, (name, surrogate) in enumerate(known.items()):
            if surrogate:
                mean, error, drawn[name] = surrogate.predict_and_draw(logs, count, seed)
                predicted[name] = mean, error
            else:
                drawn[name] = np.broadcast_to(_exact(name, points), (count, len(points)))
        kept = np.ones((count, len(points)), bool)
        for one in constraints:
            kept &= one.excess(drawn[one.name]) <= 0
        plain = score.of(drawn, kept)
        again = score.redrawn(np.random.default_rng(0), count)
        possible = kept.any(1)
        mean, error = np.zeros(len(points)), np.zeros(len(points))
        if isinstance(score, SingleScore) and score.name in predicted:
            mean, error = predicted[score.name]
        elif possible.any():
            mean, error = plain[possible].mean(0), plain[possible].std(0)
        worth = score.sign * (plain if again is score else again.of(drawn, kept))
        return cls(
            mean=mean,
            error=np.where(error > 1e-9 * np.abs(mean), error, 0.0),
            likely=kept.mean(0),
            utility=np.where(kept, worth, -np.inf)[possible],
            possible=float(possible.mean()),
            sign=score.sign,
            score=score,
            metrics=drawn,
            allowed=kept,
        )

    @property
    def expected(self) -> Floats:
        """More is better; −inf where the constraints are more likely broken, M."""
        return np.where(self.likely >= 0.5, self.sign * self.mean, -np.inf)

    @property
    def safe(self) -> Floats:
        """The same less its standard error, by which points are chosen: not one that nobody knows about."""
        return np.where(self.likely >= 0.5, self.sign * self.mean - self.error, -np.inf)

    def first(self, count: int) -> npt.NDArray[np.intp]:
        """Indices of the best `count` points of each function, each once."""
        count = min(count, len(self.mean))
        best = np.argpartition(-self.utility, count - 1, axis=1)[:, :count]
        return np.unique(best[np.isfinite(np.take_along_axis(self.utility, best, 1))])

    @property
    def ends(self) -> npt.NDArray[np.intp]:
        """Indices of points that the score of others is relative to in one of the functions."""
        return self.score.ends(self.metrics, self.allowed)

    @property
    def hopes(self) -> Floats:
        """What the score may be, M."""
        return np.where(self.likely >= 0.1, self.sign * self.mean + self.error, -np.inf)


def beyond_rates(constraints: Sequence[Constraint]) -> Callable[[Floats], Floats] | None:
    """By how much points (nats per image, M×L) break those constraints that are on rates; None without any."""
    bounds = [one for one in constraints if _RATE.match(one.name)]
    if not bounds:
        return None
    return lambda points: np.max([one.excess(_exact(one.name, points)) for one in bounds], axis=0)


def surrogates(names: Sequence[str], rows: pd.DataFrame, rates: Floats) -> dict[str, Surrogate | None]:
    """Of metrics over rate space.

    Args:
        names: of the metrics.
        rows: runs that have all of them, N.
        rates: theirs, nats per image, N×L.
    """
    logs = seen(rates)
    return {
        name: None
        if _RATE.match(name)
        else Surrogate.fit(logs, values(rows, name).to_numpy(float), errors(rows, name).to_numpy(float))
        for name in names
    }


def _exact(name: str, points: Floats) -> Floats:
    return points.sum(1) if name == "test/rate" else points[:, int(name.rpartition("_")[2]) - 1]
