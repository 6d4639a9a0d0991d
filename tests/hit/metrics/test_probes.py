"""Classifiers on latents, and the evaluator that names the protocol."""

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from hit.metrics import EVALUATOR, accuracies, one_against_one
from hit.metrics import probes as probes_module
from hit.metrics.probes import folds, independent_points, scored_points, split
from hit.schema import PROBES

Array = NDArray[np.float64]


def blobs(points: int = 300, dims: int = 5, spread: float = 0.4, seed: int = 0) -> tuple[Array, NDArray[np.int64]]:
    """Three classes, centred in sum, that overlap a little."""
    random = np.random.default_rng(seed)
    labels = random.integers(3, size=points)
    centres = random.normal(size=(3, dims)) * 0.7
    return centres[labels] + spread * random.normal(size=(points, dims)), labels


def test_split_is_that_of_the_research_code() -> None:
    fitted, held_out = split(103)
    order = np.random.RandomState(seed=42).permutation(103)
    assert fitted.tolist() == order[:-20].tolist()
    assert held_out.tolist() == order[-20:].tolist()
    assert (len(fitted), len(held_out)) == (83, 20)


@pytest.fixture
def one_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small test sets are split once, as large ones are."""
    monkeypatch.setattr(probes_module, "EVALUATOR", replace(EVALUATOR, cross_validated=0))


def of_scikit_learn(features: Array, labels: NDArray[np.int64], parts: list[tuple[NDArray[np.intp], ...]]) -> Any:
    right = dict.fromkeys(PROBES, 0.0)
    for fitted, scored in parts:
        centred = features - features[fitted].mean(axis=0)
        for name, classifier in {
            "logistic": LogisticRegression(max_iter=1000),
            "svm_rbf": SVC(),
            "svm_linear": SVC(kernel="linear"),
            "knn": KNeighborsClassifier(5),
        }.items():
            classifier.fit(centred[fitted], labels[fitted])
            right[name] += np.sum(classifier.predict(centred[scored]) == labels[scored])
    return {name: count / sum(len(scored) for _, scored in parts) for name, count in right.items()}


def test_scores_of_one_split_are_those_of_scikit_learn_on_small_features(one_split: None) -> None:
    features, labels = blobs()
    features *= 0.05  # where C = 1 is a strong prior, and scaling up would show
    expected = of_scikit_learn(features, labels, [split(len(features))])
    assert accuracies(features, labels) == expected
    assert len(set(expected.values())) > 2  # or an exchange of names would not show


def test_small_test_sets_are_cross_validated() -> None:
    features, labels = blobs()
    features *= 0.05
    expected = of_scikit_learn(features, labels, folds(labels))
    assert accuracies(features, labels) == expected
    assert len(set(expected.values())) > 2


def test_large_test_sets_are_split_once(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = blobs()
    monkeypatch.setattr(probes_module, "EVALUATOR", replace(EVALUATOR, cross_validated=300))
    assert accuracies(features, labels) == of_scikit_learn(features, labels, [split(300)])


def test_machines_of_a_large_test_set_are_shared_out_with_the_same_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = blobs()
    features *= 0.05
    monkeypatch.setattr(one_against_one, "_POINTS_A_CLASS", 0)
    assert accuracies(features, labels, threads=3) == of_scikit_learn(features, labels, folds(labels))


@pytest.mark.parametrize("points", [5, 13, 360])
def test_every_point_is_scored_once_in_folds_that_share_the_classes(points: int) -> None:
    labels = np.random.default_rng(0).integers(4, size=points)
    parts = folds(labels)
    assert sorted(np.concatenate([scored for _, scored in parts]).tolist()) == list(range(points))
    assert {len(scored) for _, scored in parts} <= {points // 5, -(-points // 5)}
    for fitted, scored in parts:
        assert sorted([*fitted, *scored]) == list(range(points))
        counts = np.bincount(labels[scored], minlength=4)
        assert (np.abs(counts - np.bincount(labels, minlength=4) / 5) < 1).all()


def test_an_accuracy_rests_on_fewer_independent_points_than_are_scored_in_folds() -> None:
    assert (scored_points(360), scored_points(10_000), scored_points(4)) == (360, 2000, 0)
    assert 200 < independent_points(360) < 300
    assert independent_points(10_000) == 2000


def test_handwritten_digits() -> None:
    features, labels = load_digits(return_X_y=True)
    scores = accuracies(features, labels)
    assert list(scores) == list(PROBES)
    expected = {"logistic": 0.963, "svm_rbf": 0.988, "svm_linear": 0.980, "knn": 0.986}
    assert scores == {name: pytest.approx(score, abs=0.01) for name, score in expected.items()}


def test_repeatable_whatever_the_threads_and_numpys_seed() -> None:
    features, labels = blobs(spread=0.8)
    first = accuracies(features, labels)
    np.random.seed(7)
    assert accuracies(features, labels, threads=3) == first


def test_place_does_not_matter_nor_scale_above_one() -> None:
    features, labels = blobs(points=500, dims=8, spread=1.0)
    features = np.round(256 * features) / 64  # short enough that moving and scaling by powers of two are exact
    expected = accuracies(features, labels)
    assert accuracies(1024.0 * features + 4096.0, labels) == expected
    assert accuracies(features.reshape(500, 2, 2, 2), labels) == expected


def test_features_of_huge_scale_end_within_seconds() -> None:
    random = np.random.default_rng(0)
    features, labels = 1e4 * random.standard_cauchy((600, 10)), np.arange(600) % 10
    assert set(accuracies(features, labels)) == set(PROBES)


def test_the_input_is_left_as_it_is() -> None:
    features, labels = blobs()
    features *= 50
    before = features.copy()
    features.setflags(write=False)
    accuracies(features, labels)
    assert np.array_equal(features, before)


def test_noise_scores_as_chance() -> None:
    random = np.random.default_rng(0)
    scores = accuracies(random.normal(size=(1000, 5)), np.arange(1000) % 4)
    assert all(abs(score - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 200) for score in scores.values())


def test_collapsed_features_bet_on_the_most_frequent_class() -> None:
    labels = np.array([0] * 70 + [1] * 30)
    assert accuracies(np.full((100, 3), 0.1), labels) == dict.fromkeys(PROBES, 0.7)


def test_nearly_collapsed_features_are_measured() -> None:
    random = np.random.default_rng(0)
    scores = accuracies(1e-7 * random.normal(size=(200, 3)), np.array([0] * 180 + [1] * 20))
    assert all(score > 0.7 for score in scores.values())


def test_one_class_among_the_fitted_points() -> None:
    features = np.random.default_rng(0).normal(size=(20, 3))
    labels = np.zeros(20, dtype=np.int64)
    labels[3] = 1  # in its fold, nothing but zeros is fitted
    assert accuracies(features, labels)["knn"] == 0.95


@pytest.mark.parametrize("points", range(12))
def test_few_points_give_a_number_or_nothing(points: int) -> None:
    scores = accuracies(np.random.default_rng(points).normal(size=(points, 2)), np.arange(points) % 2)
    assert set(scores) == (set(PROBES) if points >= 5 else set())
    assert all(0 <= score <= 1 for score in scores.values())


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_features_that_are_not_finite_have_no_score(wrong: float) -> None:
    features, labels = blobs()
    features[5, 1] = wrong
    assert accuracies(features, labels) == {}


def test_a_fit_that_ends_at_its_limit_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes_module, "_LOGISTIC_ITERATIONS", 1)
    monkeypatch.setattr(probes_module, "_SVM_ITERATIONS", 1)
    monkeypatch.setattr(probes_module, "_SVM_ITERATIONS_PER_POINT", 0)
    assert set(accuracies(*blobs())) == set(PROBES)  # warnings are errors here


def test_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="N labels"):
        accuracies(np.zeros((10, 2)), np.zeros(9))


@pytest.mark.parametrize("points", [360, 10_000])
def test_fingerprint_changes_with_every_field_that_decides(points: int) -> None:
    changed = {
        "protocol": EVALUATOR.protocol + 1,
        "split_seed": 43,
        "sample_seed": 1,
        "samples": 2,
        "probes": ("knn",),
        "ksg_points": 100,
        "ksg_neighbours": 3,
        "scikit_learn": "0.0",
        **({"folds": 10} if points == 360 else {"held_out": 0.25}),
    }
    decided_by_points = {"cross_validated", "held_out" if points == 360 else "folds"}
    assert set(changed) == set(EVALUATOR.__dataclass_fields__) - decided_by_points - {"regressions"}
    others = {replace(EVALUATOR, **{name: value}).fingerprint(points) for name, value in changed.items()}
    assert len(others | {EVALUATOR.fingerprint(points)}) == len(changed) + 1
    assert re.fullmatch("[0-9a-f]{12}", EVALUATOR.fingerprint(points))
    assert EVALUATOR.fingerprint(points) == EVALUATOR.fingerprint(points + 1)


def test_fingerprint_is_the_same_everywhere() -> None:
    # Scores in the store carry it: it changes only where the protocol does.
    known = replace(EVALUATOR, scikit_learn="1.9")
    assert known.fingerprint(10_000) == "36295244f27a"  # as before small test sets were cross-validated
    assert known.fingerprint(360) == "cc7884b8bca3"
