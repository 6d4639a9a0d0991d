"""How well a classifier reads the class from samples of z_L follows R_L, which bounds it."""

__all__ = ["accuracy"]

import re

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.bounds import classes, information_bound
from analysis.frame import NotMeasurable, errors, finished, label_kind, layers, rate_name, require, values
from analysis.statements.bounded import beyond_chance, exceeding, least_and_median
from analysis.statements.finding import Finding, Outcome, told_by
from analysis.statements.resampling import Floats, Resamples, rank_correlation
from analysis.suggested_commands import evaluate_command, grid_command
from hit import schema
from hit.errors import StoreError
from hit.metrics.bounds import accuracy_bound

_NAME = "accuracy and R_L"
#: Spearman's ρ below which an accuracy does not follow.
_FOLLOWS = 0.5
_FEWEST = 8
#: Nats between the least and the largest R_L, below which accuracies differ by chance.
_SPAN = 0.5


def accuracy(frame: pd.DataFrame) -> Finding:
    """By rank correlation with R_L, and by the slack of the best classifier; R² of regressions on continuous labels.

    Args:
        frame: runs of one setting.
    """
    count = layers(frame)
    numbers = label_kind(frame) == schema.LabelKind.CONTINUOUS
    kind, probe = ("r2", "kernel_ridge") if numbers else ("accuracy", "svm_rbf")
    name = f"test/{kind}_{probe}_z{count}_sampled"
    what = "R²" if numbers else "accuracy"
    statement = f"The {what} on samples of z_{count} follows R_{count}, and is bounded by it."
    try:
        rows = require(frame, name, rate_name(count))
    except NotMeasurable as never:
        return Finding.not_measurable(_NAME, statement, never)
    except StoreError:
        command = evaluate_command(frame, name) if len(finished(frame)) else grid_command(frame, count)
        return Finding.untold(_NAME, statement, f"No finished run has it: {schema.metric(name).label}.", command)
    rate = values(rows, rate_name(count)).to_numpy(float)
    if len(np.unique(rate)) < _FEWEST:
        few = f"It takes {_FEWEST} finished runs of different R_{count}."
        return Finding.untold(_NAME, statement, few, grid_command(frame, count))
    if np.ptp(rate) < _SPAN:
        alike = f"R_{count} of all runs lies within {_SPAN:g} nats, as where z_{count} has collapsed."
        return Finding.untold(_NAME, statement, alike, grid_command(frame, count))
    drawn = Resamples.of(rows)
    follows = drawn.correlated(
        f"ρ of the {what} with R_{count}", rank_correlation(values(rows, name).to_numpy(float), rate)
    )
    slack, error, broken = _slack(rows, count, kind)
    known = np.isfinite(slack)
    outcome = told_by([follows], _FOLLOWS)
    if broken.any():
        outcome = Outcome.DOES_NOT_HOLD
    elif not known.any() and outcome is Outcome.HOLDS:
        outcome = Outcome.CANNOT_BE_TOLD
    bound = (
        f"{exceeding(slack, error, broken, 'the bound')}." if known.any() else "The bound is not known without H(y)."
    )
    command = grid_command(frame, count) if known.any() else evaluate_command(frame, name)
    return Finding.by(
        _NAME,
        statement,
        outcome,
        f"Spearman's ρ is to be above {_FOLLOWS:g}. {bound} Intervals are {drawn.over}.",
        (follows, *(least_and_median(slack, drawn, "") if known.any() else ())),
        rows,
        witnesses=np.flatnonzero(broken)[:5].tolist() or ([int(np.nanargmin(slack))] if known.any() else []),
        command=command,
    )


def _slack(rows: pd.DataFrame, count: int, kind: str) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Bound minus the best score on samples of each run, the score's standard error, which exceed it beyond chance."""
    form = re.compile(rf"test/{kind}_(?!bound)\w+_z{count}_sampled\Z")
    best, error = np.full(len(rows), -np.inf), np.zeros(len(rows))
    for name in (str(one) for one in rows.columns if form.match(str(one))):
        own = values(rows, name).fillna(-np.inf).to_numpy(float)
        error = np.where(own > best, errors(rows, name).fillna(0).to_numpy(float), error)
        best = np.maximum(best, own)
    bound = values(rows, f"test/{kind}_bound_rate_z{count}").to_numpy(float)
    if kind == "accuracy" and values(rows, "test/label_entropy").notna().any():
        many = classes(rows, count)
        entropy = min(float(values(rows, "test/label_entropy").median()), float(np.log(many)))
        bound = np.asarray(accuracy_bound(information_bound(rows, count).to_numpy(float), entropy, many))
    slack = np.where(np.isfinite(best), bound - best, np.nan)
    # The evaluation knows of its own test set what chance may do.
    verdict = values(rows, f"test/bound_holds_{'r2_' if kind == 'r2' else ''}z{count}").to_numpy(float)
    broken = beyond_chance(slack, error)
    return slack, error, np.asarray(broken & (verdict != 1))
