"""The applications want different regions of rate space."""

__all__ = ["best_regions"]

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.frame import finished, layers
from analysis.recommendation.recommender import Recommendation
from analysis.statements.finding import Finding, Outcome
from analysis.suggested_commands import grid_command

_NAME = "regions of applications"
_STATEMENT = "The best regions of rate space differ between the applications."


def best_regions(frame: pd.DataFrame, found: Sequence[Recommendation]) -> Finding:
    """By regions that hold the optimum with a known probability: two that have no point in common differ.

    It does not hold where all of them are as small as half of what runs reach and every two overlap: the same place
    may then serve all.

    Args:
        frame: runs of one setting.
        found: what is recommended for them.
    """
    count = layers(frame)
    known = [one for one in found if not one.hedge]
    pairs = [(one, other) for one, other in itertools.combinations(known, 2) if _apart(one, other)]
    overlap = len(known) > 1 and len(known) == len(found) and not pairs
    outcome = Outcome.HOLDS if pairs else Outcome.DOES_NOT_HOLD if overlap else Outcome.CANNOT_BE_TOLD
    if pairs:
        said = "; ".join(f"{one.application.name} and {other.application.name}" for one, other in pairs)
        reason = f"Regions that hold the optimum with a probability of 90 % each have no point in common: {said}."
    elif overlap:
        reason = "Every two regions overlap."
    else:
        named = ", ".join(f"{one.application.name} ({one.hedge})" for one in found if one.hedge) or "none is there"
        reason = f"It takes regions whose probability is known, two of them apart; without it: {named}."
    done = finished(frame).reset_index(drop=True)
    best = [str(one.run["run_id"]) for pair in pairs for one in pair]
    witnesses = np.flatnonzero(done["run_id"].astype(str).isin(best)).tolist()
    return Finding.by(
        _NAME, _STATEMENT, outcome, reason, (), done, witnesses=witnesses, command=grid_command(frame, max(2, count))
    )


def _apart(one: Recommendation, other: Recommendation) -> bool:
    """Whether two boxes share no point in some rate or in the total."""
    ends = zip(one.region.low, one.region.high, other.region.low, other.region.high, strict=True)
    return any(high < below or above < low for low, high, below, above in ends)
