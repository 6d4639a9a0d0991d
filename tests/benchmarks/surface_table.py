"""By how much surfaces are above the models that they stand for, as a table."""

__all__ = ["Found", "gaps", "point_name", "table", "worst_gap"]

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from tests.benchmarks.quick_evaluation import POINTS

#: What was measured (`QuickEvaluation.measure`) by seed and point; what diverged has no points.
Found = dict[str, dict[str, dict[str, float]]]


def point_name(betas: Sequence[float]) -> str:
    """'1, 5' of β_1 = 1 and β_2 = 5."""
    return ", ".join(f"{beta:g}" for beta in betas)


def gaps(found: Mapping[str, Found], dedicated: Found) -> dict[str, dict[str, list[float]]]:
    """(surface − dedicated) / |dedicated| of the objective, per cent, by arm and point, a number a seed.

    What diverged has none.
    """
    told: dict[str, dict[str, list[float]]] = {}
    for arm, by_seed in found.items():
        told[arm] = {point_name(betas): [] for betas in POINTS}
        for seed, at_points in by_seed.items():
            beside = dedicated.get(seed, {})
            for point, measured in at_points.items():
                if point in beside:
                    theirs = beside[point]["objective"]
                    told[arm][point].append(100 * (measured["objective"] - theirs) / abs(theirs))
    return told


def table(found: Mapping[str, Found], dedicated: Found) -> list[str]:
    """Gaps by arm and point, mean and worst over seeds; then every objective and R_2, as rows of Markdown."""
    points = [point_name(betas) for betas in POINTS]
    lines = [f"| gap in per cent, mean (worst) | {' | '.join(points)} | all |", "|---" * (len(points) + 2) + "|"]
    for arm, of_points in gaps(found, dedicated).items():
        cells = [_mean_and_worst(of_points[point]) for point in points]
        cells.append(_mean_and_worst([gap for one in of_points.values() for gap in one]))
        diverged = sum(not at_points for at_points in found[arm].values())
        lines.append(f"| {arm}{f', {diverged} diverged' if diverged else ''} | {' | '.join(cells)} |")
    lines += ["", f"| objective (R_2) | {' | '.join(points)} |", "|---" * (len(points) + 1) + "|"]
    for what, by_seed in {"dedicated": dedicated, **found}.items():
        for seed, at_points in by_seed.items():
            cells = [_objective(at_points.get(point)) for point in points]
            lines.append(f"| {what}, seed {seed} | {' | '.join(cells)} |")
    return lines


def worst_gap(of_points: Mapping[str, Sequence[float]]) -> float:
    """The largest of all points and seeds; infinite where there is none."""
    return max((gap for one in of_points.values() for gap in one), default=math.inf)


def _mean_and_worst(gaps: Sequence[float]) -> str:
    return f"{fmean(gaps):+.2f} ({max(gaps):+.2f})" if gaps else ""


def _objective(measured: Mapping[str, float] | None) -> str:
    return "" if measured is None else f"{measured['objective']:.2f} ({measured['rate_2']:.1f})"
