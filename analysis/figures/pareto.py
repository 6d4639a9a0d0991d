"""What the best runs reach: the Pareto front of little rate and a good score, and its convex hull."""

__all__ = ["convex_hull", "front_lines", "pareto_front"]

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from analysis.figures import style
from analysis.recommendation.objectives import non_dominated
from hit import schema

Array = NDArray[np.float64]


def pareto_front(rate: ArrayLike, score: ArrayLike, direction: schema.Direction) -> NDArray[np.intp]:
    """Positions of the runs that no other one beats, by the rate: none with as little rate has a better score.

    >>> pareto_front([1, 2, 3, 2], [0.5, 0.4, 0.9, 0.7], "maximize").tolist()
    [0, 3, 2]
    """
    x, y = _upwards(rate, score, direction)
    costs = np.column_stack([x, -y])
    front = np.flatnonzero(non_dominated(costs))
    first = np.unique(costs[front], axis=0, return_index=True)[1]  # of runs that are alike, one; by the rate
    return np.asarray(front[first], np.intp)


def convex_hull(rate: ArrayLike, score: ArrayLike, direction: schema.Direction) -> NDArray[np.intp]:
    """Positions of those runs of the Pareto front that no mixture of two others beats, by the rate.

    >>> convex_hull([0, 1, 2], [0, 0.1, 1], "maximize").tolist()
    [0, 2]
    """
    x, y = _upwards(rate, score, direction)
    kept: list[np.intp] = []
    for run in pareto_front(rate, score, direction):
        while len(kept) > 1 and not _right_turn(x[[*kept[-2:], run]], y[[*kept[-2:], run]]):
            kept.pop()
        kept.append(run)
    return np.array(kept, dtype=np.intp)


def front_lines(rate: ArrayLike, score: ArrayLike, name: str) -> list[go.Scatter]:
    """Both as lines; none for a metric of which neither more nor less is better, or of one run."""
    direction = schema.metric(name).direction
    x, y = np.asarray(rate, float), np.asarray(score, float)
    if direction is None or len(x) < 2:
        return []
    front, hull = pareto_front(x, y, direction), convex_hull(x, y, direction)
    # The front goes on to the last run: more rate brings nothing better.
    steps_x, steps_y = [*x[front], x.max()], [*y[front], y[front[-1]]]
    solid = {"color": style.FRONT, "width": 1.4, "shape": "hv"}
    dotted = {"color": style.FRONT, "width": 1.4, "dash": "dot"}
    return [
        go.Scatter(x=steps_x, y=steps_y, mode="lines", name="Pareto front", line=solid, hoverinfo="skip"),
        go.Scatter(x=x[hull], y=y[hull], mode="lines", name="convex hull", line=dotted, hoverinfo="skip"),
    ]


def _upwards(rate: ArrayLike, score: ArrayLike, direction: schema.Direction) -> tuple[Array, Array]:
    """Both as arrays, the score so that more is better."""
    y = np.asarray(score, float)
    return np.asarray(rate, float), y if direction == "maximize" else -y


def _right_turn(x: Array, y: Array) -> bool:
    """Whether three points from left to right turn clockwise."""
    return bool((x[1] - x[0]) * (y[2] - y[0]) < (y[1] - y[0]) * (x[2] - x[0]))
