"""Bounds with their slack: the inequalities hold for what can exist, and break for what cannot."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hit.metrics import (
    accuracy_bound,
    check_accuracy,
    check_accuracy_from_information,
    check_generation,
    check_information,
    check_reconstruction,
    information_needed,
    violations,
)

LN10 = math.log(10)


@given(st.floats(0.1, 1.0), st.floats(0, 1))
def test_an_accuracy_keeps_the_bound_of_a_rate_exactly_if_the_rate_is_what_it_needs(alpha: float, more: float) -> None:
    needed = information_needed(alpha, LN10, 10)
    assert check_accuracy(alpha, needed + more, LN10, 10, points=10**12).slack >= -2e-7
    assert check_accuracy_from_information(alpha, needed + more, 0.0, LN10, 10, 10**12).slack >= -2e-7


def test_an_accuracy_that_its_rate_does_not_allow() -> None:
    bound = accuracy_bound(0.06, LN10, 10)
    broken = check_accuracy(0.61, 0.06, LN10, 10, points=2000)
    assert broken.slack == pytest.approx(bound - 0.61)
    assert not broken.holds
    chance = math.sqrt(bound * (1 - bound) / 2000)
    assert check_accuracy(bound + 2.9 * chance, 0.06, LN10, 10, points=2000).holds
    assert not check_accuracy(bound + 3.1 * chance, 0.06, LN10, 10, points=2000).holds
    assert not check_accuracy_from_information(0.61, 0.06, 0.01, LN10, 10, 2000).holds
    assert check_accuracy_from_information(0.61, 0.06, 0.5, LN10, 10, 2000).holds


def test_information_is_bounded_by_rate_and_by_entropy() -> None:
    assert check_information(1.5, 0.0, rate=1.6, label_entropy=LN10).slack == pytest.approx(0.1)
    assert check_information(2.0, 0.0, rate=50.0, label_entropy=LN10).slack == pytest.approx(LN10 - 2.0)
    assert not check_information(1.5, 0.02, rate=1.4, label_entropy=LN10).holds
    assert check_information(1.5, 0.04, rate=1.4, label_entropy=LN10).holds
    biased = check_information(1.5, 0.02, rate=1.4, label_entropy=LN10, bias=0.05)
    assert biased.holds
    assert biased.slack == pytest.approx(-0.05), "what is known to be bias is no slack"


def test_no_code_of_distinct_images_is_shorter_than_their_entropy() -> None:
    assert check_reconstruction(math.log(64), 0.0, math.log(64)).holds  # each image its own code word
    assert not check_reconstruction(math.log(64) - 0.1, 0.0, math.log(64)).holds


@given(st.integers(1, 30), st.integers(2, 12), st.floats(0.05, 20), st.integers(0, 1000))
def test_scores_of_any_predictions_keep_their_bounds(count: int, classes: int, heat: float, seed: int) -> None:
    logits = heat * np.random.default_rng(seed).normal(size=(count, classes))
    predictions = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))

    def entropy(p: np.ndarray) -> np.ndarray:
        return -(p * np.log(np.maximum(p, 1e-300))).sum(-1)

    diversity, sharpness = np.exp(entropy(predictions.mean(0))), np.exp(-entropy(predictions).mean())
    kept = check_generation(float(diversity * sharpness), float(diversity), float(sharpness), classes)
    assert all(check.holds and check.slack >= -1e-9 for check in kept.values())
    impossible = check_generation(1.01 * classes, 1.01 * classes, 1.01, classes)
    assert {name for name, check in impossible.items() if not check.holds} == set(kept)
    assert not check_generation(1.01 * float(diversity), float(diversity), 1.0, classes)["inception_score"].holds


def test_violations_are_told_with_how_far() -> None:
    metrics = {"test/bound_holds_z1": 1.0, "test/bound_slack_z1": -0.01, "test/rate": 3.0}
    assert violations({}) == violations(metrics) == "none"
    metrics |= {"test/bound_holds_mi_z2": 0.0, "test/bound_slack_mi_z2": -0.5}
    metrics |= {"test/bound_holds_diversity": 0.0, "test/bound_slack_diversity": -2.25}
    assert violations(metrics) == "test/bound_slack_diversity = -2.25, test/bound_slack_mi_z2 = -0.5"
