"""What free β gain over equal β, as means over seeds: a run at given β lands at rates and scores that vary.

Runs of one seed share its initial weights and the order of its batches, and their luck is common to near β: of such
runs no process can learn how seeds differ, and no interval is given.
"""

__all__ = ["Gain", "Seeds", "expected_gain"]

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import t as student

from analysis.frame import errors, values
from analysis.recommendation.metric_surrogate import Surrogate
from analysis.recommendation.objectives import Constraint
from analysis.recommendation.reach import rates_of, seen, thinned
from analysis.recommendation.scores import Score
from analysis.settings import all_equal, beta_names

Floats = npt.NDArray[np.float64]

_DRAWS = 600
#: Of the interval: as much is left out below as above.
_LEVEL = 0.9
#: ν of the kernels over log β, as `Surrogate.fit` takes it: means over seeds are smooth. A rougher one follows the luck
#: of the best cell, and its intervals hold the gain less often (75 instead of 82 % of 60 grids that are known).
_SMOOTH = (2.5,)
#: A run's own variance that is expected, as a share of that of all runs, as `Surrogate.fit` takes it: seeds at one β
#: differ by more than runs at one place of rate space.
_SPREAD = 0.1
#: Runs of fewer seeds, or of which one has more than this share, do not show how seeds differ.
_SEEDS, _MOST_OF_ONE = 3, 0.5
#: Half of an interval, beside the gain, that is no more than the last digits of its means.
_ROUNDING = 1e-9
#: Different β that are looked at beside the equal ones.
_CELLS = 300


@dataclass(frozen=True)
class Seeds:
    """How runs are spread over seeds.

    Attributes:
        runs: how many runs.
        different: how many seeds they have.
        commonest: how many runs have the commonest seed.
    """

    runs: int
    different: int
    commonest: int

    @classmethod
    def of(cls, rows: pd.DataFrame) -> "Seeds":
        """Of these runs."""
        counts = values(rows, "seed").value_counts()
        return cls(len(rows), len(counts), int(counts.max()) if len(counts) else 0)

    @property
    def differ(self) -> bool:
        """Whether runs are of so many seeds that how they differ shows."""
        return self.different >= _SEEDS and self.commonest <= _MOST_OF_ONE * self.runs

    @property
    def told(self) -> str:
        """Why they do not show it."""
        if not self.different:
            return "no run tells its seed"
        if self.different == 1 and self.commonest == self.runs:
            return f"all {self.runs} runs share one seed, and its luck"
        if self.commonest > _MOST_OF_ONE * self.runs:
            return f"{self.commonest} of the {self.runs} runs share one seed, and its luck"
        return f"the {self.runs} runs are of {self.different} seeds only"


@dataclass(frozen=True)
class Gain:
    """By how much the best β that were trained are better than the best equal ones, as means over seeds.

    Attributes:
        value: in the score's unit; below 0 where equal β are expected to be better than any others.
        low, high: of the interval that holds it with a probability of 90 %: by the runs that are replicates where both
            β have some (Welch), else by the process where seeds are mixed; None where (nearly) all runs have one seed,
            and where the replicates at both β do not differ, as one run that is there twice does not.
        betas, equal_betas: which β are compared, β_1 to β_L.
        replicates: of the two of them together, where both have two or more; else 0.
    """

    value: float
    low: float | None
    high: float | None
    betas: tuple[float, ...]
    equal_betas: tuple[float, ...]
    replicates: int


def expected_gain(
    rows: pd.DataFrame,
    layers: int,
    score: Score,
    constraints: Sequence[Constraint],
    fewest: int,
    between: tuple[Sequence[float], Sequence[float]] | None = None,
) -> Gain | None:
    """By Gaussian processes of every metric over log β; None where there are too few different β, or no equal ones.

    Args:
        rows: runs with all the metrics that the score and the constraints name.
        layers: L.
        score: what is to become larger or smaller.
        constraints: bounds on metrics, which the β that are compared keep in the mean.
        fewest: how many different β it takes.
        between: which β are compared, both of them trained; by default the best, and the best equal ones.
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
    drawn = _draws(list(dict.fromkeys([*score.names, *(one.name for one in constraints)])), rows, betas, cells)
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
    if between is not None:
        best, other = (int(np.abs(cells - np.log(own)).sum(1).argmin()) for own in between)
    differences = worth[:, best] - worth[:, other]
    chosen = tuple(map(float, betas[first[best]])), tuple(map(float, betas[first[other]]))
    replicates = [_scores(rows, betas, cells[place], score) for place in (best, other)]
    if best != other and min(map(len, replicates)) > 1:
        value, margin = _welch(*replicates)
        count = sum(map(len, replicates))
        if margin <= _ROUNDING * abs(value):
            return Gain(value, None, None, *chosen, count)
        return Gain(value, value - margin, value + margin, *chosen, count)
    value = float(differences.mean())
    if not Seeds.of(rows).differ:
        return Gain(value, None, None, *chosen, 0)
    low, high = map(float, np.quantile(differences, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]))
    return Gain(value, low, high, *chosen, 0)


def _scores(rows: pd.DataFrame, betas: Floats, cell: Floats, score: Score) -> Floats:
    """Of the seeds at one cell, so that more is better; runs of one seed are one, as their mean."""
    metrics = {name: values(rows, name).to_numpy(float)[None] for name in score.names}
    scores = score.sign * score.of(metrics, np.ones((1, len(rows)), bool))[0]
    here = np.flatnonzero((np.abs(np.log(betas) - cell) < 1e-5).all(1))
    seeds = values(rows, "seed").to_numpy(float)[here]
    same = np.where(np.isfinite(seeds), seeds, -1.0 - here)
    return np.array([scores[here[same == seed]].mean() for seed in np.unique(same)])


def _welch(some: Floats, others: Floats) -> tuple[float, float]:
    """Difference of two means, and what is on either side of it in the interval, by Welch's t."""
    parts = np.array([own.var(ddof=1) / len(own) for own in (some, others)])
    total = max(float(parts.sum()), 1e-24)
    freedom = total**2 / max(float((parts**2 / [len(some) - 1, len(others) - 1]).sum()), 1e-48)
    return float(some.mean() - others.mean()), float(student.ppf((1 + _LEVEL) / 2, freedom) * math.sqrt(total))


def _draws(names: Sequence[str], rows: pd.DataFrame, betas: Floats, cells: Floats) -> dict[str, Floats]:
    """Each metric's mean over seeds at the cells, in many ways that the runs allow."""
    drawn = {}
    for seed, name in enumerate(names):
        metric = values(rows, name).to_numpy(float)
        if name.startswith("test/rate"):  # whose spread is a share of it
            drawn[name] = rates_of(
                Surrogate.fit(np.log(betas), seen(metric), roughness=_SMOOTH, spread=_SPREAD).draws(cells, _DRAWS, seed)
            )
        else:
            surrogate = Surrogate.fit(np.log(betas), metric, errors(rows, name).to_numpy(float), _SMOOTH, _SPREAD)
            drawn[name] = surrogate.draws(cells, _DRAWS, seed)
    return drawn
