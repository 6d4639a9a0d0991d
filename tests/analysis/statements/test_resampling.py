"""Statistics by weights are SciPy's, and their intervals rest on what was drawn again."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata, spearmanr

from analysis.statements.reconstruction import spread_at_equal
from analysis.statements.resampling import (
    Resamples,
    partial_correlation,
    rank_correlation,
    slopes,
    weighted_ranks,
)


def _once(numbers: np.ndarray) -> np.ndarray:
    return np.ones((1, len(numbers)))


def test_rank_correlation_is_that_of_scipy_ties_and_repeats_among_them() -> None:
    chance = np.random.default_rng(0)
    some, others = chance.integers(0, 6, 40).astype(float), chance.normal(size=40)
    assert rank_correlation(some, others)(_once(some))[0] == pytest.approx(spearmanr(some, others).statistic)
    weights = chance.integers(0, 3, 40)
    repeated = spearmanr(some.repeat(weights), others.repeat(weights)).statistic
    assert rank_correlation(some, others)(weights[None].astype(float))[0] == pytest.approx(repeated)
    np.testing.assert_allclose(weighted_ranks(some, _once(some))[0] * 40 + 0.5, rankdata(some))


def test_a_partial_correlation_leaves_out_what_another_column_brings() -> None:
    chance = np.random.default_rng(1)
    first = chance.normal(size=400)
    second = first + 0.3 * chance.normal(size=400)
    by = np.column_stack([first, second])
    numbers = first + 0.1 * chance.normal(size=400)
    assert rank_correlation(numbers, second)(_once(first))[0] > 0.9
    assert abs(partial_correlation(numbers, by, 1)(_once(first))[0]) < 0.1
    assert partial_correlation(numbers, by, 0)(_once(first))[0] > 0.9
    np.testing.assert_allclose(slopes(2 * first - 3 * second, by, 1)(_once(first)), [-3.0])


def test_the_spread_at_equal_rates_is_the_noise_about_a_curve() -> None:
    chance = np.random.default_rng(2)
    rate = chance.uniform(1, 100, 500)
    score = np.log(rate) * 5 + 0.4 * chance.normal(size=500)
    assert spread_at_equal(score, rate)(_once(rate))[0] == pytest.approx(0.4, rel=0.15)


def test_seeds_are_drawn_again_where_runs_are_of_several() -> None:
    rows = pd.DataFrame({"group": np.repeat([f"g{cell}" for cell in range(12)], 3), "seed": [0, 1, 2] * 12})
    rows["run_id"] = [str(place) for place in range(36)]
    luck = rows["seed"].map({0: -1.0, 1: 0.0, 2: 1.0}).to_numpy(float)

    def mean(weights: np.ndarray) -> np.ndarray:
        return np.asarray((weights * luck).sum(1) / weights.sum(1))

    drawn = Resamples.of(rows)
    found = drawn.statistic("mean", mean)
    assert drawn.over == "over β and seeds"
    assert found.value == 0
    assert found.high is not None
    assert found.high > 0.5, "the luck of a seed is common to its runs"
    alone = Resamples.of(rows.assign(seed=0))
    assert "all 36 runs share one seed" in alone.over
    assert Resamples.of(rows).weights.tolist() == drawn.weights.tolist(), "the same again"


def test_a_statistic_that_few_draws_know_has_no_interval() -> None:
    rows = pd.DataFrame({"run_id": ["a", "b"], "group": ["a", "b"], "seed": [0, 0]})
    found = Resamples.of(rows).statistic("ρ", rank_correlation(np.array([1.0, 2.0]), np.array([1.0, 2.0])))
    assert (found.value, found.low, found.high) == (pytest.approx(1.0), None, None)
