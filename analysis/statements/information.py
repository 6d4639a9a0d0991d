"""What the top latent knows of the class is bounded: I(y; z_L) ≤ min(R_L, H(y))."""

__all__ = ["information"]

import numpy as np
import pandas as pd

from analysis.bounds import information_bound
from analysis.frame import NotMeasurable, errors, finished, layers, rate_name, require, values
from analysis.statements.bounded import beyond_chance, exceeding, least_and_median
from analysis.statements.finding import Finding, Outcome
from analysis.statements.resampling import Resamples
from analysis.suggested_commands import evaluate_command, grid_command
from hit.errors import StoreError

_NAME = "information and its bound"
_FEWEST = 8


def information(frame: pd.DataFrame) -> Finding:
    """By the slack of every run, with the standard errors of both sides.

    Args:
        frame: runs of one setting.
    """
    count = layers(frame)
    name = f"test/mi_z{count}"
    statement = f"I(y; z_{count}) is at most the smaller one of R_{count} and H(y)."
    try:
        rows = require(frame, name, rate_name(count), "test/label_entropy")
    except NotMeasurable as never:
        return Finding.not_measurable(_NAME, statement, never)
    except StoreError:
        command = evaluate_command(frame, name) if len(finished(frame)) else grid_command(frame, count)
        return Finding.untold(_NAME, statement, f"No finished run has I(y; z_{count}) and H(y).", command)
    bound = np.minimum(information_bound(rows, count).to_numpy(float), values(rows, "test/label_entropy").to_numpy())
    slack = bound - values(rows, name).to_numpy(float)
    error = np.hypot(*(errors(rows, one).fillna(0).to_numpy(float) for one in (name, rate_name(count))))
    broken = beyond_chance(slack, error)
    drawn = Resamples.of(rows)
    enough = len(rows) >= _FEWEST
    few = "" if enough else f" It takes {_FEWEST} runs."
    outcome = Outcome.HOLDS if enough else Outcome.CANNOT_BE_TOLD
    return Finding.by(
        _NAME,
        statement,
        Outcome.DOES_NOT_HOLD if broken.any() else outcome,
        f"{exceeding(slack, error, broken, 'it')}.{few} The interval is {drawn.over}.",
        least_and_median(slack, drawn, "nats"),
        rows,
        witnesses=np.flatnonzero(broken)[:5].tolist() or [int(np.nanargmin(slack))],
        command=grid_command(frame, count),
    )
