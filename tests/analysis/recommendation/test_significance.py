"""Of many runs whose latents say nothing one is the best, too; it is not recommended."""

import numpy as np
import pandas as pd
import pytest

from analysis.recommendation.recommender import recommend
from analysis.recommendation.significance import best_by_chance
from analysis.recommendation.text import recommendation_lines
from hit.errors import StoreError
from tests.benchmarks.replay_chance import guessed

NAME = "test/accuracy_svm_rbf_z2_sampled"


@pytest.mark.parametrize("alike", [0.0, 0.5, 0.95])
def test_guesses_of_labels_are_told_as_chance(alike: float) -> None:
    for seed in range(4):
        with pytest.raises(StoreError, match=r"(by chance|no more than chance) \(0\.1"):
            recommend(guessed(25, seed, alike), "representation")


def test_accuracies_that_rise_with_the_rate_are_no_chance() -> None:
    found = recommend(guessed(25, 0, 0.5, rise=0.1), "representation")
    assert found.estimate is not None
    assert not found.estimate.is_guess


def test_the_best_of_more_runs_has_to_exceed_more(grid: pd.DataFrame) -> None:
    grid[NAME], grid["test/held_out"] = 0.05, 72.0
    grid.loc[3, NAME] = 0.18
    with pytest.raises(StoreError, match=r"the best of so many may have up to 0\.23 by chance \(0\.1 on average\)"):
        recommend(grid, "representation")
    assert recommend(grid.loc[3:3], "representation").near_chance
    with pytest.raises(StoreError, match="and a run may have up to"):
        recommend(grid.loc[3:3].assign(**{NAME: 0.139}), "representation")
    grid.loc[3, NAME] = 0.6
    assert not recommend(grid, "representation").near_chance
    assert recommend(grid, "reconstruction").chance is None


def test_runs_that_exceed_chance_together_are_no_chance(grid: pd.DataFrame) -> None:
    grid[NAME] = 0.15 + 0.01 * np.random.default_rng(0).standard_normal(len(grid))
    grid["test/held_out"] = 360.0
    found = recommend(grid, "representation")
    assert found.value < best_by_chance(0.1, 0.02, 25) + 0.02
    assert found.standard_error is not None


def test_one_score_near_chance_is_told_as_such(grid: pd.DataFrame) -> None:
    grid[NAME], grid["test/held_out"] = 0.18, 72.0
    found = recommend(grid.head(1), "representation")
    assert (found.chance, found.near_chance) == (pytest.approx(0.1), True)
    assert any("within twice the standard error of chance (0.1)" in line for line in recommendation_lines(found))
