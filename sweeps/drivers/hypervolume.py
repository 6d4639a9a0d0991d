"""The volume of objectives that the runs of a search have won."""

__all__ = ["hypervolume"]

import numpy as np
import numpy.typing as npt

from analysis.recommendation.objectives import non_dominated

Floats = npt.NDArray[np.float64]


def hypervolume(points: Floats, reference: Floats) -> float:
    """Volume of what is dominated by some point and dominates the reference, by slices along the last coordinate.

    Args:
        points: N×D, where smaller is better.
        reference: D; what is not below it in every coordinate does not count.

    >>> hypervolume(np.array([[0.0, 2.0], [1.0, 0.0]]), np.array([2.0, 3.0]))
    4.0
    """
    points = points[(points < reference).all(1)]
    if not len(points):
        return 0.0
    if points.shape[1] == 1:
        return float(reference[0] - points.min())
    points = points[non_dominated(points)]
    if points.shape[1] == 2:
        points = points[points[:, 0].argsort()]
        steps = np.append(points[1:, 0], reference[0]) - points[:, 0]
        return float((steps * (reference[1] - np.minimum.accumulate(points[:, 1]))).sum())
    points = points[points[:, -1].argsort(kind="stable")]
    depths = np.append(points[1:, -1], reference[-1]) - points[:, -1]
    return sum(
        float(depth) * hypervolume(points[: index + 1, :-1], reference[:-1])
        for index, depth in enumerate(depths)
        if depth > 0
    )
