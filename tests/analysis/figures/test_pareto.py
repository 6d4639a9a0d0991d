"""Fronts and hulls against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.figures.pareto import convex_hull, front_lines, pareto_front

#: Few different values, so that ties are common.
POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12)


@given(POINTS)
def test_no_run_of_the_front_is_beaten_and_every_other_one_is(points: list[tuple[int, int]]) -> None:
    rate, score = np.array(points, float).T
    front = pareto_front(rate, score, "maximize")
    for run in range(len(points)):
        beaten = any(
            rate[other] <= rate[run] and score[other] >= score[run] and points[other] != points[run]
            for other in range(len(points))
        )
        assert (not beaten) == (points[run] in [points[kept] for kept in front])
    assert (np.diff(rate[front]) > 0).all()
    assert (np.diff(score[front]) > 0).all()


@given(POINTS)
def test_no_run_lies_above_the_hull(points: list[tuple[int, int]]) -> None:
    rate, score = np.array(points, float).T
    hull = convex_hull(rate, score, "maximize")
    assert set(hull) <= set(pareto_front(rate, score, "maximize"))
    below = (rate >= rate[hull[0]]) & (rate <= rate[hull[-1]])
    assert (score[below] <= np.interp(rate[below], rate[hull], score[hull]) + 1e-9).all()
    slopes = np.diff(score[hull]) / np.diff(rate[hull])
    assert (np.diff(slopes) < 0).all()


def test_less_is_better_where_the_schema_says_so() -> None:
    assert pareto_front([1, 2, 3], [5, 6, 2], "minimize").tolist() == [0, 2]
    solid, dotted = front_lines([1.0, 2.0, 3.0], [5.0, 6.0, 2.0], "test/distortion")
    assert (list(solid.x), list(solid.y)) == ([1, 3, 3], [5, 2, 2])
    assert list(dotted.x) == [1, 3]


@pytest.mark.parametrize(("name", "rates"), [("test/rate_1", [1.0, 2.0]), ("test/psnr", [1.0])])
def test_a_rate_or_one_run_has_no_front(name: str, rates: list[float]) -> None:
    assert front_lines(rates, rates, name) == []
