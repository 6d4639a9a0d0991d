"""The region of rate space where an application's best models lie, with its uncertainty."""

__all__ = ["LEVEL", "Estimate", "estimate", "fewest", "span"]

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.frame import rate_name, values
from analysis.recommendation.metric_surrogate import Surrogate
from analysis.recommendation.objectives import Constraint, Objective
from analysis.recommendation.reach import Reach
from hit.config.rate_region import RateRegion

Floats = npt.NDArray[np.float64]

#: The optimum lies in the region with this probability, as far as the surrogate can tell.
LEVEL = 0.9
_FEW_DRAWS, _DRAWS = 16, 256
#: Points that are looked around again.
_PROMISING = 40
#: Where fewer of the functions that the runs allow keep the constraints somewhere, there is no region.
_LEAST_POSSIBLE = 0.5
_LINE = 60
#: Below this share of the variance of runs that are left out, a surrogate that predicts them says little.
_TRUSTED = 0.3
_RATE = re.compile(r"test/rate(_[1-9][0-9]*)?\Z")


@dataclass(frozen=True, eq=False)
class Estimate:
    """What a Gaussian process over all runs says about the optimum.

    Attributes:
        box: holds the optimum with probability `LEVEL`, and the points that are as good within a standard error.
        optimum: rates (R_1, …, R_L) of the point whose expected score, less its standard error, is best, nats.
        value, error: the score that a model there is expected to have, without the luck of one run; standard error.
        centre: rates of the point within reach of the runs that is nearest to the middle of the box.
        centre_value, centre_error: the same there.
        noise: standard deviation of one run about the process; 0 for a score that the rates are themselves.
        explained: share of the score's variance that runs are predicted with when they are left out, at most 1.
        runs: how many runs the process rests on.
        gain, gain_error: how much better the optimum is expected to be than the best point between the runs whose βs
            are equal, and the standard error; None without such runs, or where they cannot keep the constraints.
    """

    box: RateRegion
    optimum: tuple[float, ...]
    value: float
    error: float
    centre: tuple[float, ...]
    centre_value: float
    centre_error: float
    noise: float
    explained: float
    runs: int
    gain: float | None
    gain_error: float | None

    @property
    def is_guess(self) -> bool:
        """Whether it predicts runs that were left out so badly that it says little."""
        return self.explained < _TRUSTED


def fewest(layers: int) -> int:
    """How many runs of different rates a surrogate takes: four for every layer and for the mean."""
    return 4 * (layers + 1)


def estimate(
    rows: pd.DataFrame,
    layers: int,
    objective: Objective,
    constraints: Sequence[Constraint],
    equal: pd.DataFrame,
) -> Estimate | None:
    """Where the optimum lies, by all measured runs; None where they are too few, or none may keep the constraints.

    Args:
        rows: runs with all the columns that the objective and the constraints name, whether they keep these or not.
        layers: L.
        objective: the column that is to become larger or smaller.
        constraints: bounds on columns.
        equal: those of them whose βs are equal, in the order of β.
    """
    rates = _rates(rows, layers)
    if len(np.unique(rates.round(3), axis=0)) < fewest(layers):
        return None
    names = dict.fromkeys([objective.name, *(one.name for one in constraints)])
    known = {name: _surrogate(name, rows, rates) for name in names}
    reach = Reach.of(rates)
    coarse = _Look.at(reach.points, known, objective, constraints, _FEW_DRAWS)
    reach = reach.finer(np.argsort(-coarse.hopes, kind="stable")[:_PROMISING])
    points = np.concatenate([reach.points, _line(_rates(equal, layers))])
    look = _Look.at(points, known, objective, constraints, _DRAWS)
    if not np.isfinite(look.expected).any() or look.possible < _LEAST_POSSIBLE:
        return None
    best = int(look.safe.argmax())
    error = float(look.error[best]) if look.error[best] > 0 else float(look.utility.max(1).std())
    box = _box(points[look.utility.argmax(1)], points[look.expected >= look.expected[best] - error])
    middle = (np.array(box.low) + np.array(box.high)) / 2
    centre = int((((points - middle) / np.maximum(points.std(0), 1e-9)) ** 2).sum(1).argmin())
    gain, gain_error = _gain(look, best, np.arange(len(points)) >= len(reach.points))
    learned = [one for one in known.values() if one]
    return Estimate(
        box=box,
        optimum=tuple(map(float, points[best])),
        value=float(look.mean[best]),
        error=error,
        centre=tuple(map(float, points[centre])),
        centre_value=float(look.mean[centre]),
        centre_error=float(look.error[centre]),
        noise=score.noise if (score := known[objective.name]) else 0.0,
        explained=min((one.explained for one in learned), default=1.0),
        runs=len(rows),
        gain=gain,
        gain_error=gain_error,
    )


def span(rates: pd.DataFrame, columns: Sequence[str]) -> RateRegion:
    """The smallest box around runs."""
    return RateRegion.around(np.column_stack([values(rates, name) for name in columns]))


@dataclass(frozen=True, eq=False)
class _Look:
    """The score at M points.

    Attributes:
        mean, error: of the score, M each.
        draws: of the score, in all functions that are drawn, D×M.
        expected: of the score, so that more is better; −inf where the constraints are more likely broken, M.
        safe: the same less its standard error, by which points are chosen: not one that nobody knows about.
        utility: the same in each function that keeps the constraints somewhere, at most D×M.
        possible: share of the functions that do.
        hopes: what the score may be, M.
    """

    mean: Floats
    error: Floats
    draws: Floats
    expected: Floats
    safe: Floats
    utility: Floats
    possible: float
    hopes: Floats

    @classmethod
    def at(
        cls,
        points: Floats,
        known: Mapping[str, Surrogate | None],
        objective: Objective,
        constraints: Sequence[Constraint],
        count: int,
    ) -> "_Look":
        drawn: dict[str, Floats] = {}
        for seed, (name, surrogate) in enumerate(known.items()):
            exact = np.broadcast_to(_exact(name, points), (count, len(points))) if surrogate is None else None
            drawn[name] = surrogate.draws(points, count, seed) if surrogate else np.asarray(exact)
        kept = np.ones((count, len(points)), bool)
        for one in constraints:
            kept &= one.excess(drawn[one.name]) <= 0
        score, sign = known[objective.name], -objective.sign
        exactly = _exact(objective.name, points) if score is None else np.empty(0)
        mean, error = score.predict(points) if score else (exactly, np.zeros(len(points)))
        likely, possible = kept.mean(0), kept.any(1)
        return cls(
            mean=mean,
            error=error,
            draws=drawn[objective.name],
            expected=np.where(likely >= 0.5, sign * mean, -np.inf),
            safe=np.where(likely >= 0.5, sign * mean - error, -np.inf),
            utility=np.where(kept, sign * drawn[objective.name], -np.inf)[possible],
            possible=float(possible.mean()),
            hopes=np.where(likely >= 0.1, sign * mean + error, -np.inf),
        )


def _surrogate(name: str, rows: pd.DataFrame, rates: Floats) -> Surrogate | None:
    """Of a metric; None for one that a point of rate space says itself."""
    return None if _RATE.match(name) else Surrogate.fit(rates, values(rows, name).to_numpy(float))


def _exact(name: str, points: Floats) -> Floats:
    return points.sum(1) if name == "test/rate" else points[:, int(name.rpartition("_")[2]) - 1]


def _gain(look: _Look, best: int, on_line: npt.NDArray[np.bool_]) -> tuple[float | None, float | None]:
    line = np.where(on_line, look.safe, -np.inf)
    if not on_line.any() or not np.isfinite(line.max()):
        return None, None
    other = int(line.argmax())
    differences = look.draws[:, best] - look.draws[:, other]
    if not look.error.any():  # only the constraints are uncertain: where a function keeps them, the best value differs
        of_line = look.utility[:, on_line].max(1)
        differences = (look.utility.max(1) - of_line)[np.isfinite(of_line)]
    return float(look.expected[best] - look.expected[other]), float(differences.std())


def _line(rates: Floats) -> Floats:
    """Points on the way from each run to the next, the runs included."""
    if len(rates) < 2:
        return rates
    steps = max(2, _LINE // (len(rates) - 1))
    shares = np.linspace(0, 1, steps, endpoint=False)[:, None]
    parts = [first + shares * (second - first) for first, second in itertools.pairwise(rates)]
    return np.concatenate([*parts, rates[-1:]])[: 4 * _LINE]


def _box(drawn: Floats, as_good: Floats) -> RateRegion:
    tail = (1 - LEVEL) / 2 / drawn.shape[1]  # so that all coordinates together keep the level
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    inside = drawn[((drawn >= low - 1e-9) & (drawn <= high + 1e-9)).all(1)]
    return RateRegion.around(np.concatenate([inside if len(inside) else drawn, as_good]))


def _rates(rows: pd.DataFrame, layers: int) -> Floats:
    return np.column_stack([values(rows, rate_name(layer)) for layer in range(1, layers + 1)])
