"""Machines that are fitted pair by pair predict what scikit-learn's SVC predicts."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.svm import SVC

from hit.metrics import one_against_one
from hit.metrics.one_against_one import predictions_of

Array = NDArray[np.float64]


def points(classes: int, count: int = 500, dims: int = 6) -> tuple[Array, NDArray[np.int64], Array]:
    """Fitted points, their labels, of classes of very different sizes, and points to be predicted."""
    random = np.random.default_rng(classes)
    centres = random.normal(size=(classes, dims))
    labels = random.choice(classes, count, p=random.dirichlet(np.full(classes, 2.0)))
    labels[:classes] = np.arange(classes)
    x = centres[labels] + random.normal(size=(count, dims))
    return x, 3 * labels - 7, centres[random.integers(classes, size=300)] + random.normal(size=(300, dims))


def predicted(machine: SVC, x: Array, y: NDArray[np.int64], scored: Array, threads: int = 2) -> NDArray[np.int64]:
    with ThreadPoolExecutor(threads) as pool:
        found: NDArray[np.int64] = predictions_of(machine, x, y, scored, pool)()
    return found


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_predictions_are_those_of_libsvm(classes: int, kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, scored = points(classes)
    expected = SVC(kernel=kernel).fit(x, y).predict(scored)
    assert len(np.unique(expected)) > 1
    assert np.array_equal(predicted(SVC(kernel=kernel), x, y, scored), expected)
    monkeypatch.setattr(one_against_one, "_ROWS", 7)
    assert np.array_equal(predicted(SVC(kernel=kernel), x, y, scored, threads=1), expected)


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_a_limit_of_iterations_is_one_of_every_pair(kernel: str) -> None:
    x, y, scored = points(4)
    with pytest.warns(match="terminated early"):
        expected = SVC(kernel=kernel, max_iter=20).fit(x, y).predict(scored)
    with pytest.warns(match="terminated early"):
        assert np.array_equal(predicted(SVC(kernel=kernel, max_iter=20), x, y, scored), expected)


@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_where_rounding_leaves_a_vote_open_libsvm_has_it(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, scored = np.array([[-1.0], [1.0]]), np.array([0, 1]), np.array([[0.0], [-1.0], [1.0]])
    expected, asked = SVC(kernel=kernel).fit(x, y).predict(scored), list[list[float]]()
    decide = SVC.decision_function

    def told(self: SVC, points: Array) -> Array:
        asked.extend(points.tolist())
        return np.asarray(decide(self, points))

    monkeypatch.setattr(SVC, "decision_function", told)
    assert np.array_equal(predicted(SVC(kernel=kernel), x, y, scored), expected)
    assert asked == [[0.0]]  # half way between them


def test_numpys_generator_is_left_as_it_is() -> None:
    x, y, scored = points(3)
    np.random.seed(3)
    predicted(SVC(), x, y, scored)
    assert np.random.random() == np.random.RandomState(3).random_sample()
