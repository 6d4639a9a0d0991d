"""What no run may exceed: by how much each run keeps a bound, and which exceed it by more than chance."""

__all__ = ["beyond_chance", "exceeding", "least_and_median"]

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from analysis.number_format import number
from analysis.statements.finding import Statistic
from analysis.statements.resampling import Floats, Resamples, weighted_ranks

#: How often any of all runs may be told to exceed a bound where none does.
_SIZE = 0.05


def beyond_chance(slack: Floats, error: Floats) -> npt.NDArray[np.bool_]:
    """Which runs exceed their bound by more than the luckiest of so many would (Bonferroni's inequality).

    Args:
        slack: bound minus what was measured, N; NaN where it is not known.
        error: its standard error, N; 0 where none is known.
    """
    known = np.isfinite(slack)
    return np.asarray(known & (slack < -_limit(int(known.sum())) * np.nan_to_num(error) - 1e-9))


def exceeding(slack: Floats, error: Floats, broken: npt.NDArray[np.bool_], bound: str) -> str:
    """How many runs exceed their bound, and how far, in standard errors; arguments as of `beyond_chance`.

    Args:
        broken: which exceed it by more than chance.
        bound: what it is called.
    """
    known = np.isfinite(slack)
    above, count = known & (slack < 0), int(known.sum())
    text = f"{int(broken.sum())} of {count} runs exceed {bound} by more than chance allows, {int(above.sum())} at all"
    told = above & (error > 0)
    if told.any():
        most, limit = float((-slack[told] / error[told]).max()), _limit(count)
        text += f", by up to {number(most, 2)} standard errors ({number(limit, 2)} are chance in so many runs)"
    return text


def least_and_median(slack: Floats, drawn: Resamples, unit: str) -> tuple[Statistic, Statistic]:
    """The least slack of all runs, and the median with its interval."""
    known = np.isfinite(slack)
    filled = np.where(known, slack, 0.0)

    def median(weights: Floats) -> Floats:
        ranks = np.where(known, weighted_ranks(filled, np.where(known, weights, 0.0)), np.inf)
        nearest = np.abs(ranks - 0.5).argmin(1)
        return np.asarray(filled[nearest])

    return Statistic("least slack", float(slack[known].min()), unit=unit), drawn.statistic("median slack", median, unit)


def _limit(runs: int) -> float:
    """Standard errors by which the luckiest of so many runs exceeds what it should, now and then."""
    return float(norm.isf(_SIZE / max(runs, 1)))
