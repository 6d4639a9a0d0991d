"""f(α) and its inverse."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hit.metrics import accuracy_bound, information_needed

LN10 = math.log(10)


@st.composite
def problems(draw: st.DrawFn) -> tuple[float, int]:
    """H(y) and M of some class frequencies."""
    counts = np.array(draw(st.lists(st.integers(1, 1000), min_size=2, max_size=20)))
    frequencies = counts / counts.sum()
    return min(float(-(frequencies * np.log(frequencies)).sum()), math.log(len(counts))), len(counts)


@given(problems(), st.floats(0, 1))
def test_the_bound_inverts_the_information(problem: tuple[float, int], position: float) -> None:
    label_entropy, classes = problem
    accuracy = 1 / classes + position * (1 - 1 / classes)
    information = information_needed(accuracy, label_entropy, classes)
    # f is quadratic at chance: there the square root of a double's rounding is all that can be had back.
    assert accuracy_bound(information, label_entropy, classes) == pytest.approx(accuracy, abs=2e-7)


@given(problems(), st.floats(0, 1))
def test_the_information_inverts_the_bound(problem: tuple[float, int], position: float) -> None:
    label_entropy, classes = problem
    lowest = information_needed(1 / classes, label_entropy, classes)
    information = lowest + position * (label_entropy - lowest)
    accuracy = accuracy_bound(information, label_entropy, classes)
    assert information_needed(accuracy, label_entropy, classes) == pytest.approx(information, abs=1e-12)


@given(problems(), st.floats(0, 1), st.floats(0, 1))
def test_both_increase(problem: tuple[float, int], one: float, other: float) -> None:
    label_entropy, classes = problem
    lower, upper = sorted([one, other])
    chance = 1 / classes
    needed = [information_needed(chance + p * (1 - chance), label_entropy, classes) for p in (lower, upper)]
    allowed = [accuracy_bound(p * label_entropy, label_entropy, classes) for p in (lower, upper)]
    assert needed[0] <= needed[1] + 1e-12
    assert allowed[0] <= allowed[1] + 1e-12


@given(st.integers(1, 100))
def test_ends(classes: int) -> None:
    uniform = math.log(classes)
    assert information_needed(1.0, uniform, classes) == uniform
    assert information_needed(1 / classes, uniform, classes) == pytest.approx(0.0, abs=1e-12)
    for information in (uniform, uniform + 1e-12, 50.0, math.inf):
        assert accuracy_bound(information, uniform, classes) == 1.0
    for information in (-1e-3, -50.0, -math.inf):
        assert accuracy_bound(information, uniform, classes) == (1 / classes if classes > 1 else 1.0)


def test_known_points() -> None:
    # M = 2: 1 − f(α)/ln 2 is the binary entropy; h(0.11) = 0.499916 bits
    assert information_needed(0.89, math.log(2), 2) / math.log(2) == pytest.approx(1 - 0.499916, abs=1e-6)
    assert accuracy_bound(0.0, LN10, 10) == 0.1


def test_imbalanced_classes_allow_more_than_chance_at_no_information() -> None:
    frequencies = np.array([0.5, 0.3, 0.2])
    label_entropy = float(-(frequencies * np.log(frequencies)).sum())
    bound = accuracy_bound(0.0, label_entropy, 3)
    assert bound > 0.5  # betting on the most frequent class needs no information


def test_golden(golden: Path) -> None:
    with np.load(golden / "accuracy_bound.npz") as points:
        counts = points["class_counts"]
        accuracy, information = points["accuracy"], points["mutual_information_nats"]
    frequencies = counts / counts.sum()
    label_entropy = float(-(frequencies * np.log(frequencies)).sum())
    np.testing.assert_allclose(information_needed(accuracy, label_entropy, len(counts)), information, atol=1e-9)
    np.testing.assert_allclose(accuracy_bound(information, label_entropy, len(counts)), accuracy, atol=1e-9)


def test_arrays_are_numbers_at_once() -> None:
    information = np.linspace(-1, 3, 24).reshape(4, 6)
    bounds = accuracy_bound(information, LN10, 10)
    assert bounds.shape == information.shape
    assert bounds[2, 3] == accuracy_bound(float(information[2, 3]), LN10, 10)
    assert type(accuracy_bound(1.0, LN10, 10)) is float
    assert type(information_needed(0.5, LN10, 10)) is float


@pytest.mark.parametrize("accuracy", [0.0999, 1.0001, math.nan])
def test_accuracies_out_of_range_are_refused(accuracy: float) -> None:
    with pytest.raises(ValueError, match=r"accuracy must be from 1/M = 0\.1 to 1"):
        information_needed(accuracy, LN10, 10)


def test_what_is_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="information must be a number"):
        accuracy_bound(math.nan, LN10, 10)
    with pytest.raises(ValueError, match="information must be a number"):
        accuracy_bound(np.array([1.0, math.nan]), LN10, 10)


@pytest.mark.parametrize("label_entropy", [-0.1, 2.31, math.nan])
def test_an_entropy_that_these_classes_cannot_have_is_refused(label_entropy: float) -> None:
    with pytest.raises(ValueError, match="label_entropy must be from 0 to ln M"):
        accuracy_bound(1.0, label_entropy, 10)


def test_no_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="classes must be positive, got 0"):
        accuracy_bound(1.0, 0.0, 0)
