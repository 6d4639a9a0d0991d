"""Free β beat equal β, and by how much for each application."""

__all__ = ["free_betas"]

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm

from analysis.frame import data_form, finished, layers
from analysis.recommendation.gain import Gain
from analysis.recommendation.recommender import Recommendation
from analysis.statements.finding import Finding, Outcome, Statistic
from analysis.statements.resampling import LEVEL
from analysis.suggested_commands import grid_command, seeds_command

_NAME = "free β"
_STATEMENT = "The best models with free β are better than the best with equal β, for some applications."


def free_betas(frame: pd.DataFrame, found: Sequence[Recommendation]) -> Finding:
    """By the gain of free β as means over seeds, of every application, with its interval.

    It holds where the interval of one application lies above 0, widened for how many are asked (Bonferroni's
    inequality); it does not where no application's reaches above it, or where equal β are expected to be best.

    Args:
        frame: runs of one setting.
        found: what is recommended for them.
    """
    count = layers(frame)
    if count < 2:
        alone = "A model of one layer has one β, which nothing can be equal to."
        return Finding.untold(_NAME, _STATEMENT, alone, grid_command(frame, 2))
    asked = [(one, one.expected_gain) for one in found if one.expected_gain is not None and not one.is_constant]
    told = [_statistic(one, gain) for one, gain in asked]
    tail = (1 - LEVEL) / 2
    wider = float(norm.isf(tail / max(len(asked), 1)) / norm.isf(tail))
    better = [
        one
        for (one, _), own in zip(asked, told, strict=True)
        if own.low is not None and own.value > wider * (own.value - own.low)
    ]
    if better:
        outcome = Outcome.HOLDS
        reason = f"It is above 0 for {', '.join(one.application.name for one in better)}, of {len(asked)} asked."
    elif asked and all(_none(own) for own in told):
        outcome, reason = Outcome.DOES_NOT_HOLD, "Equal β are expected to be best for every application."
    elif asked:
        outcome, seeds = Outcome.CANNOT_BE_TOLD, asked[0][0].seeds
        widened = f", widened for {len(asked)} asked" if len(asked) > 1 else ""
        why = f"{widened}: it may be luck" if seeds.differ else f": {seeds.told}"
        reason = f"No gain is above 0 by its interval{why}."
    else:
        outcome, reason = Outcome.CANNOT_BE_TOLD, "It takes a dozen different β, equal ones among them."
    done = finished(frame).reset_index(drop=True)
    compared = [run for one in better or [one for one, _ in asked] for run in (one.run, one.equal_run)]
    named = {str(run["run_id"]) for run in compared if run is not None}
    return Finding.by(
        _NAME,
        _STATEMENT,
        outcome,
        f"{reason} Gains are means over seeds, in the unit of the application's metric.",
        told,
        done,
        witnesses=np.flatnonzero(done["run_id"].astype(str).isin(named)).tolist(),
        command=_more(frame, asked) or grid_command(frame, count),
    )


def _statistic(one: Recommendation, gain: Gain) -> Statistic:
    name, unit = f"gain for {one.application.name}", one.metric.of(data_form(one.run.to_frame().T)).unit
    if gain.betas == gain.equal_betas:
        return Statistic(name, 0.0, unit=unit)
    return Statistic(name, gain.value, gain.low, gain.high, unit)


def _none(gain: Statistic) -> bool:
    """Whether nothing is gained: equal β are best, or all of the interval says so."""
    return gain.value == 0 if gain.high is None else gain.high <= 0


def _more(frame: pd.DataFrame, asked: Sequence[tuple[Recommendation, Gain]]) -> str:
    """Further seeds of the two models that the largest gain is between; '' without one."""
    for one, gain in sorted(asked, key=lambda pair: pair[1].value == 0):
        if gain.betas == gain.equal_betas or one.equal_run is None:
            continue
        commands = [
            seeds_command(frame, run, [int(run["seed"])])
            for run in (one.run, one.equal_run)
            if pd.notna(run.get("seed", np.nan))
        ]
        if len(commands) == 2 and all(commands):
            return " && ".join(commands)
    return ""
