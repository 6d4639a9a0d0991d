"""Regressions on latents, the standard errors of their R², and the bound that information sets."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from hit.metrics import EVALUATOR, check_r_squared, entropy_power, r_squared, r_squared_bound
from hit.schema import REGRESSIONS, LabelKind

Array = NDArray[np.float64]


def linear(points: int, noise: float, seed: int) -> tuple[Array, Array]:
    """x, and a label whose R² given x is 1 / (1 + noise²)."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(points, 3))
    return 5 * x, 100 + 7 * (x @ [0.6, 0.8, 0.0] + noise * random.normal(size=points))


@pytest.mark.parametrize(("noise", "truth"), [(0.5, 0.8), (2.0, 0.2)])
def test_r_squared_of_a_known_channel_within_its_error(noise: float, truth: float) -> None:
    found = [r_squared(*linear(400, noise, seed)) for seed in range(8)]
    assert set(found[0]) == set(REGRESSIONS)
    ridge = np.array([one["ridge"].value for one in found])
    errors = np.array([one["ridge"].error for one in found], float)
    assert abs(ridge.mean() - truth) < 3 * errors.mean() / math.sqrt(8) + 0.01
    assert 0.4 < errors.mean() / ridge.std(ddof=1) < 2.5
    for one in found:
        assert all(one["ridge"].value - one[name].value + 0.05 > 0 for name in REGRESSIONS)


def test_kernel_and_neighbours_read_what_a_line_does_not() -> None:
    x = np.random.default_rng(0).normal(size=(600, 2))
    found = r_squared(x, np.cos(2 * x[:, 0]))
    assert found["ridge"].value < 0.1 < 0.8 < found["knn"].value
    assert found["kernel_ridge"].value > 0.9


def test_nothing_to_read_is_about_zero() -> None:
    random = np.random.default_rng(0)
    found = r_squared(random.normal(size=(300, 4)), random.normal(size=300))
    assert all(-0.35 < one.value < 0.05 for one in found.values())
    assert r_squared(np.zeros((50, 2)), random.normal(size=50))["ridge"].value == pytest.approx(0, abs=0.1)


def test_a_large_set_is_split_once_and_its_kernel_approximated() -> None:
    x, y = linear(EVALUATOR.cross_validated, 0.5, 0)
    found = r_squared(x, y, threads=2)
    assert found == r_squared(x, y)
    assert all(abs(found[name].value - 0.8) < 0.05 for name in ("ridge", "kernel_ridge"))


def test_what_does_not_exist_is_absent() -> None:
    x, y = linear(40, 1.0, 0)
    assert r_squared(x[:4], y[:4]) == {}
    assert r_squared(x, np.ones(40)) == {}
    assert r_squared(x, np.where(np.arange(40) == 7, np.nan, y)) == {}
    assert r_squared(np.full_like(x, np.inf), y) == {}
    with pytest.raises(ValueError, match="expected features N × d and N labels"):
        r_squared(x, y[:-1])


def test_scale_and_place_of_labels_and_features_mean_nothing() -> None:
    x, y = linear(200, 0.5, 1)
    found, moved = r_squared(x, y), r_squared(1000 * x + 3, -1e6 * y + 1e6)
    for name in REGRESSIONS:
        assert moved[name].value == pytest.approx(found[name].value, abs=1e-6)


def test_rates_bound_what_the_information_bounds_of_a_known_gaussian() -> None:
    """y = ρ x + √(1−ρ²) n and z = x + σ m: R² of a line on z is ρ² / (1 + σ²), 1 − exp(−2 I(y; z)) exactly."""
    rho, sigma = 0.8, 0.5
    x, n, m = np.random.default_rng(5).normal(size=(3, 4000))
    found = r_squared((x + sigma * m)[:, None], rho * x + math.sqrt(1 - rho**2) * n)["ridge"]
    correlation = rho**2 / (1 + sigma**2)
    information, rate = -0.5 * math.log(1 - correlation), 0.5 * math.log(1 + sigma**-2)  # I(y; z) and I(x; z)
    assert found.error is not None
    assert r_squared_bound(information, 1.0) == pytest.approx(correlation)
    assert found.value == pytest.approx(correlation, abs=4 * found.error)
    assert information < rate
    assert found.value + 4 * found.error < r_squared_bound(rate, 1.0)
    assert check_r_squared(found.value, found.error, rate, 1.0, 0.0).holds


def test_bound_is_reached_by_a_gaussian_channel() -> None:
    for noise in (0.3, 1.0, 3.0):
        information = 0.5 * math.log(1 + noise**-2)
        assert r_squared_bound(information, 1.0) == pytest.approx(1 / (1 + noise**2))
    assert r_squared_bound(-1.0, 1.0) == 0.0
    assert np.all(np.diff(r_squared_bound(np.linspace(0, 5, 50), 0.7)) > 0)


@pytest.mark.parametrize(
    ("draw", "truth"),
    [("normal", 1.0), ("uniform", 12 / (2 * math.pi * math.e)), ("exponential", math.e / (2 * math.pi))],
)
def test_entropy_power_from_below_within_its_error(draw: str, truth: float) -> None:
    random = np.random.default_rng(0)
    for points in (360, 10_000):
        found = [entropy_power(getattr(random, draw)(size=points)) for _ in range(10)]
        logs = np.array([math.log(one[0]) for one in found if one is not None])
        error = float(np.mean([one[1] for one in found if one is not None]))
        assert math.log(truth) - 3 * error < logs.mean() < math.log(truth) + error
        assert logs.std(ddof=1) < 2 * error


def test_numbers_with_steps_have_no_bound() -> None:
    steps = np.random.default_rng(0).normal(size=400).round(1)
    assert entropy_power(steps) is None
    assert entropy_power(np.arange(10.0)) is None
    assert entropy_power(np.ones(100)) is None


def test_check_forgives_chance_and_no_more() -> None:
    assert check_r_squared(0.8, 0.02, 0.5, 1.0, 0.01).holds is False
    assert check_r_squared(0.66, 0.02, 0.5, 1.0, 0.01).holds
    assert check_r_squared(0.6, 0.02, 0.5, 1.0, 0.01).slack == pytest.approx(1 - math.exp(-1) - 0.6)


def test_evaluators_of_numbers_and_of_classes_differ() -> None:
    """Those of classes are what they were before labels could be continuous."""
    assert EVALUATOR.fingerprint(360) == EVALUATOR.fingerprint(360, LabelKind.CLASSES)
    kinds = (LabelKind.CLASSES, LabelKind.CONTINUOUS)
    assert len({EVALUATOR.fingerprint(points, kind) for points in (360, 10_000) for kind in kinds}) == 4
