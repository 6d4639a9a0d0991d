"""Principal components: variance, order, sign, degenerate points."""

import math

import numpy as np
import pytest

from hit.metrics import principal_components


def test_shares_are_those_of_the_covariance() -> None:
    random = np.random.default_rng(0)
    points = random.normal(size=(500, 6)) @ random.normal(size=(6, 6)) + 7.0
    found = principal_components(points.reshape(500, 2, 3))
    spectrum = np.linalg.eigvalsh(np.cov(points.T))[::-1]
    np.testing.assert_allclose(found.shares, (spectrum / spectrum.sum())[:3], rtol=1e-9)
    np.testing.assert_allclose(np.cov(found.coordinates.T), np.diag(spectrum[:3]), atol=1e-9 * spectrum[0])
    np.testing.assert_allclose(found.coordinates.mean(0), 0, atol=1e-9)


def test_fewer_dimensions_or_points_than_components() -> None:
    assert principal_components(np.random.default_rng(0).normal(size=(10, 2))).coordinates.shape == (10, 2)
    assert principal_components([[0.0, 1.0, 2.0, 3.0], [1.0, 1.0, 2.0, 3.0]]).coordinates.shape == (2, 2)


def test_collapsed_points_have_no_shares() -> None:
    found = principal_components(np.full((10, 4), 0.3))
    assert found.shares == ()
    assert not found.coordinates.any()


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_points_that_are_not_finite_are_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="finite features"):
        principal_components([[0.0, 1.0], [wrong, 1.0]])


def test_of_many_dimensions_it_is_the_same_again() -> None:
    x = np.random.default_rng(0).normal(size=(600, 1100))  # where scikit-learn takes directions by chance
    first, second = (principal_components(x, components=2).coordinates for _ in range(2))
    assert np.array_equal(first, second)
