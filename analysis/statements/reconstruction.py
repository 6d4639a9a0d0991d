"""Reconstruction follows the total rate R, whichever layer holds it."""

__all__ = ["reconstruction", "spread_at_equal"]

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.frame import fidelity, finished, layers, require, values
from analysis.statements.finding import Finding, told_by
from analysis.statements.resampling import Resamples, rank_correlation
from analysis.suggested_commands import evaluate_command, grid_command
from hit import schema
from hit.errors import StoreError

Floats = npt.NDArray[np.float64]

_NAME = "reconstruction and R"
_STATEMENT = "Reconstructions follow the total rate R, whichever layer holds it."
#: Spearman's ρ below which they do not follow it.
_FOLLOWS = 0.8
_FEWEST = 8


def reconstruction(frame: pd.DataFrame) -> Finding:
    """By the rank correlation of PSNR (R² of vectors) with R, and how far it is spread at equal R.

    Args:
        frame: runs of one setting.
    """
    name, count = fidelity(frame), layers(frame)
    if count < 2:
        one = "A model of one layer has one rate: who holds it cannot matter."
        return Finding.untold(_NAME, _STATEMENT, one, grid_command(frame, 2))
    try:
        rows = require(frame, name, "test/rate")
    except StoreError:
        command = evaluate_command(frame, name) if len(finished(frame)) else grid_command(frame, count)
        return Finding.untold(_NAME, _STATEMENT, "No finished run has its reconstructions measured.", command)
    score, rate = (values(rows, one).to_numpy(float) for one in (name, "test/rate"))
    if len(np.unique(rate)) < _FEWEST:
        few = f"It takes {_FEWEST} finished runs of different rates."
        return Finding.untold(_NAME, _STATEMENT, few, grid_command(frame, count))
    drawn, metric = Resamples.of(rows), schema.metric(name)
    follows = drawn.correlated(f"ρ of {metric.label} with R", rank_correlation(score, rate))
    shares = drawn.statistic(f"share of the spread of {metric.label} that is left at equal R", _left(score, rate))
    spread = drawn.statistic(f"spread of {metric.label} at equal R", spread_at_equal(score, rate), metric.unit)
    return Finding.by(
        _NAME,
        _STATEMENT,
        told_by([follows], _FOLLOWS),
        f"Spearman's ρ is to be above {_FOLLOWS:g}. The spread is a standard deviation about a curve through runs of "
        f"near R. Intervals are {drawn.over}.",
        (follows, spread, shares),
        rows,
        witnesses=(int(score.argmax()), int(score.argmin())),
        command=grid_command(frame, count),
    )


def spread_at_equal(score: Floats, rate: Floats) -> Callable[[Floats], Floats]:
    """Standard deviation of N scores about a smooth curve over their rates, as a function of weights.

    Every run is compared with the line through its two neighbours in R (Gasser, Sroka and Jennen-Steinmetz 1986,
    https://doi.org/10.1093/biomet/73.3.625).
    """
    order = np.lexsort([score, rate])
    y, x = score[order], np.log(rate[order] + 1)
    gap = x[2:] - x[:-2]
    right = np.where(gap > 0, (x[1:-1] - x[:-2]) / np.where(gap > 0, gap, 1.0), 0.5)
    squares = (right * y[2:] + (1 - right) * y[:-2] - y[1:-1]) ** 2 / (right**2 + (1 - right) ** 2 + 1)

    def of(weights: Floats) -> Floats:
        own = weights[:, order]
        together = own[:, 2:] * own[:, 1:-1] * own[:, :-2]
        return np.asarray(np.sqrt((together * squares).sum(1) / together.sum(1)))

    return of


def _left(score: Floats, rate: Floats) -> Callable[[Floats], Floats]:
    at_equal = spread_at_equal(score, rate)

    def of(weights: Floats) -> Floats:
        total = weights.sum(1)
        mean = (weights * score).sum(1) / total
        spread = np.sqrt((weights * (score - mean[:, None]) ** 2).sum(1) / total)
        return np.asarray(at_equal(weights) / np.where(spread > 0, spread, np.nan))

    return of
