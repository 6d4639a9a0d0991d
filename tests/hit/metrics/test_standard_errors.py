"""Standard errors: of accuracies from points, of means from values."""

import numpy as np
import pytest

from hit.metrics import accuracy_error, mean_error


@pytest.mark.parametrize("accuracy", [0.1, 0.5, 0.9])
def test_the_error_of_an_accuracy_is_binomial(accuracy: float) -> None:
    assert float(accuracy_error(accuracy, 2000)) == pytest.approx((accuracy * (1 - accuracy) / 2000) ** 0.5, rel=0.01)


def test_the_error_of_an_accuracy_is_its_spread_over_test_sets() -> None:
    right = np.random.default_rng(0).binomial(72, 0.8, 5000) / 72
    assert accuracy_error(right, 72).mean() == pytest.approx(right.std(), rel=0.05)


@pytest.mark.parametrize("accuracy", [0.0, 1.0])
def test_all_right_or_none_is_not_certain(accuracy: float) -> None:
    assert 0.5 / 72 < float(accuracy_error(accuracy, 72)) < 2 / 72


def test_what_is_not_known_has_no_error() -> None:
    assert np.isnan(accuracy_error([np.nan, 0.5], [72, np.nan])).all()
    assert mean_error([3.0]) is None
    assert mean_error([]) is None


def test_the_error_of_a_mean_is_its_spread_over_samples() -> None:
    drawn = np.random.default_rng(0).exponential(size=(2000, 50))
    assert np.mean([mean_error(one) for one in drawn]) == pytest.approx(drawn.mean(1).std(), rel=0.05)
