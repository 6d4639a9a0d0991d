"""Each rate follows its own β: more of β_l, less of R_l; and how much the β of other layers move it."""

__all__ = ["own_beta"]

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.frame import finished, layers, rate_name, values
from analysis.number_format import number
from analysis.settings import beta_names
from analysis.statements.finding import Finding, told_by
from analysis.statements.resampling import Resamples, partial_correlation, slopes
from analysis.suggested_commands import grid_command

_NAME = "rates and their β"
_STATEMENT = "Each rate R_l falls where its own β_l rises, the other β held."
#: Spearman's ρ, in size, below which a rate does not follow.
_FOLLOWS = 0.5
_FEWEST = 8


def own_beta(frame: pd.DataFrame) -> Finding:
    """By the rank correlation of R_l with β_l, the ranks of the other β held.

    How much other β move it is told by slopes of ln(R_l + 1) along every ln β_k, in the plane through all runs.

    Args:
        frame: runs of one setting.
    """
    rows, count = finished(frame), layers(frame)
    names = [*beta_names(count), *(rate_name(layer) for layer in range(1, count + 1))]
    table = np.column_stack([values(rows, name) for name in names])
    usable = np.isfinite(table).all(1) & (table[:, :count] > 0).all(1)
    rows, table = rows[usable].reset_index(drop=True), table[usable]
    logs, rates = np.log(table[:, :count]).round(6), table[:, count:]
    if len(np.unique(logs, axis=0)) < _FEWEST or np.linalg.matrix_rank(logs - logs.mean(0), tol=1e-3) < count:
        few = f"It takes {_FEWEST} finished runs of different β that do not rise together."
        return Finding.untold(_NAME, _STATEMENT, few, grid_command(frame, count))
    drawn = Resamples.of(rows)
    falls = [
        drawn.correlated(f"−ρ of R_{layer + 1} with β_{layer + 1}", partial_correlation(-rates[:, layer], logs, layer))
        for layer in range(count)
    ]
    return Finding.by(
        _NAME,
        _STATEMENT,
        told_by(falls, _FOLLOWS),
        f"Spearman's ρ, the ranks of other β held, is to be below −{_FOLLOWS:g} for every layer. {_others(logs, rates)}"
        f"Intervals are {drawn.over}.",
        falls,
        rows,
        witnesses=(int(logs.sum(1).argmin()), int(logs.sum(1).argmax())),
        command=grid_command(frame, count),
    )


def _others(logs: npt.NDArray[np.float64], rates: npt.NDArray[np.float64]) -> str:
    """How far each rate goes with each β, in a sentence."""
    count = rates.shape[1]
    if count == 1:
        return ""
    once = np.ones((1, len(rates)))
    told = []
    for layer in range(count):
        along = [float(slopes(np.log(rates[:, layer] + 1), logs, other)(once)[0]) for other in range(count)]
        words = ", ".join(f"{number(slope, 2)} along ln β_{other}" for other, slope in enumerate(along, 1))
        told.append(f"ln(R_{layer + 1} + 1) goes by {words}")
    return f"On average {'; '.join(told)}. "
