"""What free β gain over equal β, as means over seeds: a run at given β lands at rates and scores that vary."""

__all__ = ["Gain", "expected_gain"]

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.frame import column, errors, values
from analysis.recommendation.metric_surrogate import Surrogate
from analysis.recommendation.objectives import Constraint
from analysis.recommendation.reach import rates_of, seen, thinned
from analysis.recommendation.scores import Score
from analysis.settings import all_equal, beta_names

Floats = npt.NDArray[np.float64]

_DRAWS = 600
#: Of the interval: as much is left out below as above.
_LEVEL = 0.9
#: Different β that are looked at beside the equal ones.
_CELLS = 300


@dataclass(frozen=True)
class Gain:
    """By how much the best β that were trained are better than the best equal ones, as means over seeds.

    Attributes:
        value: in the score's unit; below 0 where equal β are expected to be better than any others.
        low, high: of the interval that holds it with a probability of 90 %, as far as the process can tell.
        betas, equal_betas: which β are compared, β_1 to β_L.
        spread: standard deviation of a run's score between seeds; how much of it is measurement is not told apart.
        replicates: how many of the runs differ in their seed alone from another one; of 0, the spread is a guess, from
            how much runs at near β differ.
    """

    value: float
    low: float
    high: float
    betas: tuple[float, ...]
    equal_betas: tuple[float, ...]
    spread: float
    replicates: int


def expected_gain(
    rows: pd.DataFrame, layers: int, score: Score, constraints: Sequence[Constraint], fewest: int
) -> Gain | None:
    """By Gaussian processes of every metric over log β; None where there are too few different β, or no equal ones.

    Args:
        rows: runs with all the metrics that the score and the constraints name.
        layers: L.
        score: what is to become larger or smaller.
        constraints: bounds on metrics, which the β that are compared keep in the mean.
        fewest: how many different β it takes.
    """
    betas = np.column_stack([values(rows, name) for name in beta_names(layers)])
    usable = np.isfinite(betas).all(1) & (betas > 0).all(1)
    rows, betas = rows[usable], betas[usable]
    if layers == 1 or rows.empty:
        return None
    cells, first = np.unique(np.log(betas).round(6), axis=0, return_index=True)
    equal = all_equal(rows, layers).to_numpy(bool)[first]
    if len(cells) < fewest or not equal.any():
        return None
    others = np.flatnonzero(~equal)
    kept = np.concatenate([np.flatnonzero(equal)[:_CELLS], others[thinned(cells[others], _CELLS)]])
    cells, first, equal = cells[kept], first[kept], equal[kept]
    drawn, noises = _draws(list(dict.fromkeys([*score.names, *(one.name for one in constraints)])), rows, betas, cells)
    allowed = np.ones((_DRAWS, len(cells)), bool)
    for one in constraints:
        allowed &= one.excess(drawn[one.name]) <= 0
    worth = score.sign * score.of(drawn, allowed)
    worth = worth[np.isfinite(worth).all(1)]
    if not len(worth):
        return None
    expected = np.where(allowed.mean(0) >= 0.5, worth.mean(0), -np.inf)
    if not np.isfinite(expected[equal]).any():
        return None
    best, other = int(expected.argmax()), int(np.where(equal, expected, -np.inf).argmax())
    differences = worth[:, best] - worth[:, other]
    low, high = np.quantile(differences, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    groups = column(rows, "group").where(column(rows, "group").notna(), rows["run_id"])
    return Gain(
        value=float(differences.mean()),
        low=float(low),
        high=float(high),
        betas=tuple(map(float, betas[first[best]])),
        equal_betas=tuple(map(float, betas[first[other]])),
        spread=noises.get(score.names[0], math.nan) if len(score.names) == 1 else math.nan,
        replicates=int(groups.duplicated(keep=False).sum()),
    )


def _draws(
    names: Sequence[str], rows: pd.DataFrame, betas: Floats, cells: Floats
) -> tuple[dict[str, Floats], dict[str, float]]:
    """Each metric's mean over seeds at the cells, and the standard deviation of one run about it."""
    drawn, noises = {}, {}
    for seed, name in enumerate(names):
        metric = values(rows, name).to_numpy(float)
        if name.startswith("test/rate"):  # whose spread is a share of it
            surrogate = Surrogate.fit(np.log(betas), seen(metric))
            drawn[name] = rates_of(surrogate.draws(cells, _DRAWS, seed))
            noises[name] = surrogate.noise * float(np.median(metric) + 1)
        else:
            surrogate = Surrogate.fit(np.log(betas), metric, errors(rows, name).to_numpy(float))
            drawn[name] = surrogate.draws(cells, _DRAWS, seed)
            noises[name] = surrogate.noise
    return drawn, noises
