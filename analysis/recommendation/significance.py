"""Whether the best of many scores is more than chance: of runs without information one is the best, too."""

__all__ = ["best_by_chance", "level_to_exceed", "no_better_than_chance"]

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from hit import schema

#: How often the best of runs without information may be taken for more.
_SIZE = 0.05
#: Standard errors by which runs exceed chance on average.
_TOGETHER = 2


def best_by_chance(level: float, error: float, runs: int) -> float:
    """What the best of so many runs without information stays below in 19 of 20 cases.

    By Bonferroni's inequality, which holds for runs that are scored on the same images, too.

    Args:
        level: what one of them reaches on average.
        error: standard error of a score, in its unit.
        runs: how many are looked at.

    >>> f"{best_by_chance(0.1, 0.016, 1):.3f}, {best_by_chance(0.1, 0.016, 400):.3f}"
    '0.126, 0.159'
    """
    return level + error * float(norm.isf(_SIZE / runs))


def level_to_exceed(level: float, error: float, scores: npt.NDArray[np.float64]) -> float:
    """What the best run has to exceed: chance, and the luck of so many where they do not exceed chance together.

    Args:
        level: what a run without information reaches on average (`analysis.bounds.chance`).
        error: standard error of the best run's score.
        scores: of all runs that are looked at.
    """
    # All runs are scored on the same images: the luck of their mean may be as much as that of one.
    if scores.mean() - level > _TOGETHER * error:
        return level
    return best_by_chance(level, error, len(scores))


def no_better_than_chance(
    metric: schema.Metric, value: float, level: float, limit: float, runs: int, layer: int
) -> str:
    """Why no run is recommended.

    Args:
        metric: what was compared.
        value: of the best run.
        level: of chance.
        limit: what it had to exceed (`level_to_exceed`).
        runs: how many were compared.
        layer: whose latent it is.
    """
    best = f"the best of {runs} finished run{'' if runs == 1 else 's'} has {metric.label} = {value:.3g}"
    what = f"train for more epochs, or with a lower β_{layer}"
    if value <= level:
        return f"{best}, which is no more than chance ({level:.3g}): z_{layer} says nothing of the label; {what}"
    many = "a run" if runs == 1 else "the best of so many"
    return (
        f"{best}, and {many} may have up to {limit:.3g} by chance ({level:.3g} on average): nothing shows that "
        f"z_{layer} says anything of the label; {what}"
    )
