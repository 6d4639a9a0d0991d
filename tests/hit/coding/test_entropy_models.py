"""Every number of an entropy model comes back, and costs what its probability says."""

import numpy as np
import pytest

from hit.coding import AnsStack, Bernoullis, Gaussians, Models, Tables
from hit.coding.entropy_models import WindowedGaussians
from hit.errors import Diverged

_RNG = np.random.default_rng(0)
_N = 400
_WILD = np.array([1e300, -1e300, 5e3, 0.0])
_TABLES = _RNG.gamma(0.1, size=(1, _N, 16))
_TABLES[0, 0] = 0  # a row that rounding has left with nothing


def _stack() -> AnsStack:
    return AnsStack.above(_RNG.integers(0, 2**32, 2000, dtype=np.uint32))


@pytest.mark.parametrize(
    "models",
    [
        Gaussians.of(_RNG.normal(0, 256, (1, _N)), _RNG.gamma(1, 60, (1, _N)), 2048),
        Gaussians.of(_WILD[None], 1 / np.abs(_WILD[None] + 1e-300), 2048),
        WindowedGaussians.of(_RNG.normal(0, 256, (1, _N)), _RNG.gamma(1, 60, (1, _N)), 2048),
        WindowedGaussians.of(_WILD[None], 1 / np.abs(_WILD[None] + 1e-300), 2048),
        Bernoullis.of(_RNG.beta(0.1, 0.1, (1, _N))),
        Tables.of(_TABLES),
    ],
    ids=["gaussians", "extreme gaussians", "windows", "extreme windows", "bernoullis", "tables"],
)
def test_what_is_popped_and_pushed_leaves_the_stack_as_it_was(models: Models) -> None:
    stack, row = _stack(), models.row(0)
    before, words = stack.bits, stack.words()
    symbols = stack.pop(row)
    assert stack.bits < before
    stack.push(symbols, row)
    np.testing.assert_array_equal(stack.words(), words)
    stack.push(symbols, row)
    np.testing.assert_array_equal(AnsStack(stack.words()).pop(row), symbols)


def test_ones_cost_what_their_probability_says() -> None:
    models, stack = Bernoullis.of(_RNG.uniform(size=(1, _N))).row(0), _stack()
    before = stack.bits
    stack.push(np.ones(_N, np.int32), models)
    assert stack.bits - before == pytest.approx(-np.log2(models.ones).sum(), rel=1e-4)


@pytest.mark.parametrize("of", [Bernoullis.of, Tables.of, lambda p: Gaussians.of(p, np.ones_like(p), 9)])
def test_what_is_not_finite_is_refused(of: object) -> None:
    with pytest.raises(Diverged, match="not finite"):
        of(np.array([[[0.5, np.nan]]]))  # type: ignore[operator]


def test_the_words_beneath_come_back_and_nothing_else_is_left() -> None:
    words = _RNG.integers(0, 2**32, 5, dtype=np.uint32)
    words[-1] = 0
    stack = AnsStack.above(words)
    np.testing.assert_array_equal(stack.beneath(), words)
    stack.push(np.ones(_N, np.int32), Bernoullis.of(np.full((1, _N), 0.3)).row(0))
    with pytest.raises(ValueError, match="nothing else"):
        stack.beneath()


def test_a_pop_of_random_bits_is_no_number_that_its_gaussian_rules_out() -> None:
    stack = AnsStack.above(_RNG.integers(0, 2**32, 40_000, dtype=np.uint32))
    mean, std = np.zeros((1, 100_000)), np.full((1, 100_000), 8.0)
    drawn = stack.pop(WindowedGaussians.of(mean, std, 512).row(0))
    assert np.abs(drawn).max() <= 8 * 8
    assert drawn.std() == pytest.approx(8, rel=0.02)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_table_is_read_whatever_its_layout_in_memory(order: str) -> None:
    models, stack = Tables.of(np.asarray(_TABLES, order=order)).row(0), AnsStack()  # type: ignore[call-overload]
    symbols = np.full(_N, 15, np.int32)
    stack.push(symbols, models)
    shares = models.frequencies[:, 15] / models.frequencies.sum(1)
    assert stack.bits == pytest.approx(-np.log2(shares).sum(), rel=0.01)
