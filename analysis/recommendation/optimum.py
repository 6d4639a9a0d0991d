"""The region of rate space where an application's best models lie, with its uncertainty."""

__all__ = ["LEVEL", "Estimate", "LayerShare", "estimate", "fewest", "layer_shares", "span"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.frame import rate_name, values
from analysis.recommendation.drawn_scores import DrawnScores, Surrogates, beyond_rates, surrogates
from analysis.recommendation.objectives import Constraint
from analysis.recommendation.reach import Reach, rates_of, seen
from analysis.recommendation.scores import Score, SingleScore, WeightedScore
from hit.config.rates.rate_region import RateRegion

Floats = npt.NDArray[np.float64]

#: The optimum lies in the region with this probability, as far as the surrogate can tell.
LEVEL = 0.9
_FEW_DRAWS, _DRAWS = 48, 264
#: How often more points are laid about those that are best in one of the functions drawn, how many of them in each,
#: and how many are looked at again.
_LOOKS, _BEST, _WORTH = 2, 4, 40
#: Where fewer of the functions that the runs allow keep the constraints somewhere, there is no region.
_LEAST_POSSIBLE = 0.5
#: Below this share of the variance of runs that are left out, a surrogate that predicts them says little.
_TRUSTED = 0.3
#: A region that covers more of what lies within reach says little.
_OPEN = 0.5


@dataclass(frozen=True)
class LayerShare:
    """The part R_l / R of the total rate that a layer holds.

    Attributes:
        layer: l.
        share: from 0 to 1.
        low, high: it lies between with probability `LEVEL`; None where no uncertainty is known.
    """

    layer: int
    share: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, eq=False)
class Estimate:
    """What a Gaussian process over all runs says about the optimum.

    Attributes:
        box: holds the optimum with probability `LEVEL`, and the points that are as good within a standard error.
        share: of the points within reach of the runs that lie in the box.
        optimum: rates (R_1, …, R_L) of the point whose expected score, less its standard error, is best, nats.
        shares: of its layers, with how they vary over the optima of the functions that the runs allow.
        value, error: the score that a model there is expected to have, without the luck of one run; standard error.
        centre: rates of the point within reach of the runs that is nearest to the middle of the box.
        centre_value, centre_error: the same there.
        at_run, at_run_error: the same at the rates of the best run.
        at_run_likely: probability that a model there keeps the constraints, 1 without any.
        noise: standard deviation of one run about the process; 0 for a score that the rates are themselves.
        explained: share of the score's variance that runs are predicted with when they are left out, at most 1.
        runs: how many runs the process rests on.
    """

    box: RateRegion
    share: float
    optimum: tuple[float, ...]
    shares: tuple[LayerShare, ...]
    value: float
    error: float
    centre: tuple[float, ...]
    centre_value: float
    centre_error: float
    at_run: float
    at_run_error: float
    at_run_likely: float
    noise: float
    explained: float
    runs: int

    @property
    def is_guess(self) -> bool:
        """Whether it predicts runs that were left out so badly that it says little."""
        return self.explained < _TRUSTED

    @property
    def is_open(self) -> bool:
        """Whether the box covers so much of what the runs reach that it says little."""
        return self.share > _OPEN


def fewest(layers: int) -> int:
    """How many runs of different rates a surrogate takes: four for every layer and for the mean."""
    return 4 * (layers + 1)


def estimate(
    rows: pd.DataFrame,
    layers: int,
    score: Score,
    constraints: Sequence[Constraint],
    best: Sequence[float] | None = None,
) -> Estimate | None:
    """Where the optimum lies, by all measured runs; None where they are too few, or none may keep the constraints.

    Args:
        rows: runs with all the metrics that the score and the constraints name, whether they keep these or not.
        layers: L.
        score: what is to become larger or smaller.
        constraints: bounds on metrics.
        best: rates of the best run, by default those of the first.
    """
    rates = np.column_stack([values(rows, rate_name(layer)) for layer in range(1, layers + 1)])
    if len(np.unique(rates.round(3), axis=0)) < fewest(layers):
        return None
    known = surrogates(list(dict.fromkeys([*score.names, *(one.name for one in constraints)])), rows, rates)
    beyond = beyond_rates(constraints)
    reach = Reach.of(rates, beyond)
    kept = np.arange(len(reach.points))
    for _ in range(_LOOKS):
        coarse = DrawnScores.at(reach.points[kept], known, score, constraints, _FEW_DRAWS)
        start = kept[_promising(coarse, _BEST)]
        if not len(start):
            return None
        more = reach.between(start, beyond)
        worth = np.union1d(_promising(coarse, _WORTH), coarse.ends)
        kept = np.union1d(kept[worth], len(reach.points) + np.arange(len(more)))
        reach = Reach(np.concatenate([reach.points, more]))
    own = rates[:1] if best is None else np.asarray(best, float)[None]
    points = np.concatenate([reach.points[kept], own])
    look = DrawnScores.at(points, known, score, constraints, _DRAWS)
    if not np.isfinite(look.expected).any() or look.possible < _LEAST_POSSIBLE:
        return None
    top = int(look.safe.argmax())
    error = float(look.error[top]) if look.error[top] > 0 else float(look.utility.max(1).std())
    optima = points[look.utility.argmax(1)]
    box = _box(optima, points[look.expected >= look.expected[top] - error])
    box = _widened(box, points, constraints)
    middle = (np.array(box.low) + np.array(box.high)) / 2
    centre = int((((points - middle) / np.maximum(points.std(0), 1e-9)) ** 2).sum(1).argmin())
    return Estimate(
        box=box,
        share=float(box.contains(Reach.of(rates).points, 1e-9).mean()),
        optimum=tuple(map(float, points[top])),
        shares=layer_shares(points[top], optima),
        value=float(look.mean[top]),
        error=error,
        centre=tuple(map(float, points[centre])),
        centre_value=float(look.mean[centre]),
        centre_error=float(look.error[centre]),
        at_run=float(look.mean[-1]),
        at_run_error=float(look.error[-1]),
        at_run_likely=float(look.likely[-1]),
        noise=_noise(score, known),
        explained=min((one.explained for one in known.values() if one), default=1.0),
        runs=len(rows),
    )


def layer_shares(rates: Sequence[float] | Floats, drawn: Floats | None = None) -> tuple[LayerShare, ...]:
    """Of each layer, from z_1 to z_L, at a point of rate space; none where it has no rate at all.

    Args:
        rates: (R_1, …, R_L), nats.
        drawn: optima of functions that are drawn, D×L: their shares give the uncertainty. None where it is not known.
    """
    own = np.asarray(rates, float)
    if not own.sum() > 0:
        return ()
    shares = (own / own.sum()).tolist()
    if drawn is None:
        return tuple(LayerShare(layer, share) for layer, share in enumerate(shares, 1))
    parts = drawn / np.maximum(drawn.sum(1, keepdims=True), 1e-9)
    low, high = np.quantile(parts, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return tuple(
        LayerShare(layer, share, min(share, float(low[layer - 1])), max(share, float(high[layer - 1])))
        for layer, share in enumerate(shares, 1)
    )


def span(rates: pd.DataFrame, columns: Sequence[str]) -> RateRegion:
    """The smallest box around runs."""
    return RateRegion.around(np.column_stack([values(rates, name) for name in columns]))


def _promising(coarse: DrawnScores, count: int) -> npt.NDArray[np.intp]:
    """Points where the score may be best, and so many that are best in each of the functions drawn."""
    hopes = np.argsort(-coarse.hopes, kind="stable")[: 5 * count]
    return np.union1d(hopes[np.isfinite(coarse.hopes[hopes])], coarse.first(count))


def _noise(score: Score, known: Surrogates) -> float:
    """Of one run, at rates that are given."""
    noises = {name: one.noise for name, one in known.items() if one}
    if isinstance(score, SingleScore):
        return noises.get(score.name, 0.0)
    if isinstance(score, WeightedScore):
        parts = [weight * noises.get(name, 0.0) / float(score.scales[name]) for name, weight in score.weights.items()]
        return float(np.hypot.reduce(parts))
    return 0.0


def _box(drawn: Floats, as_good: Floats) -> RateRegion:
    """Around the smallest set of optima that holds the level, by how near others are, and what is as good."""
    logs = seen(drawn)
    scaled = logs / np.maximum(logs.std(0), 1e-6)
    distances = np.sort(((scaled[:, None] - scaled) ** 2).sum(-1), axis=1)
    lonely = distances[:, min(len(drawn) - 1, max(1, len(drawn) // 16))]
    dense = drawn[np.argsort(lonely, kind="stable")[: int(np.ceil(LEVEL * len(drawn)))]]
    return RateRegion.around(np.concatenate([dense, as_good]))


def _widened(box: RateRegion, points: Floats, constraints: Sequence[Constraint]) -> RateRegion:
    """The box and what is nearer to it than points are to each other there, as far as bounds on rates allow it."""
    inside = np.flatnonzero(box.contains(points, 1e-9))
    logs = seen(points) / np.maximum(seen(points).std(0), 1e-6)
    distances = ((logs[inside][:, None] - logs) ** 2).sum(-1)
    distances[np.arange(len(inside)), inside] = np.inf
    step = float(np.sqrt(np.median(distances.min(1)))) * np.maximum(seen(points).std(0), 1e-6)
    low, high = rates_of(seen(np.array(box.low)) - step), rates_of(seen(np.array(box.high)) + step)
    totals = [float(rates_of(np.array(seen(np.array(end)) + side * step.max()))) for end, side in
              ((box.total_low, -1), (box.total_high, 1))]  # fmt: skip
    ends = {rate_name(layer): [low[layer - 1], high[layer - 1]] for layer in range(1, len(low) + 1)}
    ends["test/rate"] = totals
    for one in constraints:
        if one.name in ends:
            low_end, high_end = ends[one.name]
            ends[one.name] = [low_end, min(high_end, one.bound)] if one.upper else [max(low_end, one.bound), high_end]
    total_low, total_high = ends.pop("test/rate")
    return RateRegion(
        tuple(float(own[0]) for own in ends.values()),
        tuple(float(own[1]) for own in ends.values()),
        float(total_low),
        float(total_high),
    )
