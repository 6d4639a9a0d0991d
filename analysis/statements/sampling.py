"""Samples from the prior are best where the latents hold few nats: too many anywhere part posterior and prior."""

__all__ = ["among_best", "sampling"]

from collections.abc import Callable

import numpy as np
import pandas as pd

from analysis.frame import NotMeasurable, finished, layers, rate_name, require, values
from analysis.number_format import number
from analysis.statements.finding import Finding, Statistic, told_by
from analysis.statements.resampling import Floats, Resamples, weighted_ranks
from analysis.suggested_commands import classify_command, evaluate_command, grid_command
from hit import schema
from hit.errors import StoreError

_NAME = "sampling and few nats"
_STATEMENT = "Samples are best where R, and R_1 in it, are small."
_METRICS = ("sample/inception_score", "sample/precision", "sample/recall")
#: Share of the runs that count as the best.
_BEST = 0.1
_FEWEST = 12


def sampling(frame: pd.DataFrame) -> Finding:
    """By the rank of R and R_1 of the tenth of the runs with the best inception score; precision and recall beside it.

    Of runs whose score has nothing to do with a rate, the best have its middle rank, 0.5, on average.

    Args:
        frame: runs of one setting.
    """
    count = layers(frame)
    try:
        rows = require(frame, _METRICS[0], "test/rate", rate_name(1))
    except NotMeasurable as never:
        return Finding.not_measurable(_NAME, _STATEMENT, never)
    except StoreError:
        command = grid_command(frame, count)
        if len(finished(frame)):
            command = f"{classify_command(frame)} && {evaluate_command(frame, _METRICS[0])}"
        return Finding.untold(_NAME, _STATEMENT, "No finished run has its samples scored.", command)
    if len(rows) < _FEWEST:
        return Finding.untold(_NAME, _STATEMENT, f"It takes {_FEWEST} finished runs.", grid_command(frame, count))
    drawn = Resamples.of(rows)
    told: list[Statistic] = []
    for name in _METRICS:
        score = values(rows, name).to_numpy(float)
        if np.isfinite(score).all():
            for rate, word in (("test/rate", "R"), (rate_name(1), "R_1"))[: 2 if count > 1 else 1]:
                label = f"rank of {word} among the best by {schema.metric(name).label}"
                told.append(drawn.statistic(label, among_best(score, values(rows, rate).to_numpy(float))))
    decisive = told[: 2 if count > 1 else 1]
    outcome = told_by([_above(one) for one in decisive], -0.5)
    best = values(rows, _METRICS[0]).to_numpy(float).argsort()[::-1]
    rates = values(rows, "test/rate").to_numpy(float)
    few = best[: max(1, round(_BEST * len(rows)))]
    return Finding.by(
        _NAME,
        _STATEMENT,
        outcome,
        f"A rank is a quantile over all runs, to be below 0.5 for the inception score. Its best tenth holds "
        f"{number(float(rates[few].mean()), 3)} nats on average, all runs {number(float(rates.mean()), 3)}. "
        f"Intervals are {drawn.over}.",
        told,
        rows,
        witnesses=(int(best[0]), int(rates.argmax())),
        command=grid_command(frame, count),
    )


def among_best(score: Floats, rate: Floats) -> Callable[[Floats], Floats]:
    """Mean rank of the rates, in [0, 1], of the tenth of N runs with the highest scores, as a function of weights."""
    order = np.argsort(-score, kind="stable")

    def of(weights: Floats) -> Floats:
        own = weights[:, order]
        total = own.sum(1, keepdims=True)
        room = np.clip(_BEST * total - (own.cumsum(1) - own), 0.0, own)
        ranks = weighted_ranks(rate, weights)[:, order]
        return np.asarray((room * ranks).sum(1) / room.sum(1))

    return of


def _above(one: Statistic) -> Statistic:
    """The same with its sign turned: small is to be large."""
    low, high = (None if end is None else -end for end in (one.high, one.low))
    return Statistic(one.name, -one.value, low, high, one.unit)
