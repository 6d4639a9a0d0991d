"""Fronts by their definition."""

import numpy as np
import pytest

from analysis.recommendation.objectives import front_extremes, non_dominated


@pytest.mark.parametrize("dimensions", [2, 3, 4])
@pytest.mark.parametrize("levels", [4, 10_000])
def test_the_extremes_of_a_front_are_on_it(dimensions: int, levels: int) -> None:
    points = np.random.default_rng(dimensions).integers(levels, size=(200, dimensions)).astype(float)
    front = points[non_dominated(points)]
    best, worst = front_extremes(points)
    np.testing.assert_array_equal(points[best].diagonal(), front.min(0))
    np.testing.assert_array_equal(points[worst].diagonal(), front.max(0))
