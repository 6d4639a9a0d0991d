"""Few runs, equal runs, missing numbers: a sentence that is true, and no number that is not."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis.recommendation.recommender import recommend
from analysis.recommendation.text import recommendation_lines

MakeFrame = Callable[..., pd.DataFrame]


def told(frame: pd.DataFrame, target: str = "density") -> str:
    lines = recommendation_lines(recommend(frame, target))
    text = " ".join(lines)
    assert all(line.endswith(".") for line in lines)
    assert not any(word in text.split() for word in ("nan", "inf", "-inf", "None"))
    return text


def test_one_run_of_equal_betas_says_nothing_of_the_gain(grid: pd.DataFrame) -> None:
    text = told(grid.head(1))
    assert "This is the only candidate and has no known uncertainty" in text
    assert "The only candidate has equal β, so that the gain of free β is not known." in text
    assert "Free β gain" not in text


def test_two_runs_say_that_it_may_be_luck(grid: pd.DataFrame) -> None:
    text = told(grid.head(2))
    assert "This spans both candidates and has no known uncertainty" in text
    assert "Free β gain nothing so far: the best run has equal β" in text
    assert "How far other seeds would change that is not known" in text


def test_runs_that_are_all_alike(grid: pd.DataFrame) -> None:
    alike = pd.concat([grid.head(1)] * 20, ignore_index=True).assign(run_id=[f"{number:032d}" for number in range(20)])
    text = told(alike)
    assert "All 20 runs have the same value: no region is better than another." in text
    assert "All 20 runs have equal β" in text
    assert "20 runs of this model have −121.8 each" in text, "of one seed, not of 20"


def test_all_equal_betas(grid: pd.DataFrame) -> None:
    assert "All 5 runs have equal β, so that the gain" in told(grid[grid["beta_1"] == grid["beta_2"]])


def test_no_equal_betas(grid: pd.DataFrame) -> None:
    assert "No candidate has equal β" in told(grid[grid["beta_1"] != grid["beta_2"]])


def test_the_best_run_may_have_equal_betas(grid: pd.DataFrame) -> None:
    equal = grid.index[grid["beta_1"] == grid["beta_2"]][2]
    grid.loc[equal, "test/elbo"] = grid["test/elbo"].max() + 1
    assert "Free β gain nothing so far: the best run has equal β" in told(grid)


@pytest.mark.parametrize("target", ["reconstruction", "test/psnr:1,test/rate:-1", "pareto:test/psnr,test/rate=min"])
def test_a_constant_metric(grid: pd.DataFrame, target: str) -> None:
    text = told(grid.assign(**{"test/psnr": 17.5}), target)
    if target == "reconstruction":
        assert "All 25 runs have the same value: no region is better than another." in text
        assert "The optimum lies there" not in text
        assert "Free β gain nothing so far: all 25 runs have the same value." in text
        assert "Over seeds" not in text
    assert "guess: by" not in text, "a metric that does not vary is known"
    assert "± 0 " not in text


def test_runs_without_the_metric_are_left_out(grid: pd.DataFrame) -> None:
    grid.loc[::2, "test/elbo"] = np.nan
    assert "of 12 runs" in told(grid)


def test_rates_of_zero(grid: pd.DataFrame) -> None:
    grid["test/rate_2"] = 0.0
    grid["test/rate"] = grid["test/rate_1"]
    assert "R_2 0" in told(grid)
    assert "R_2 0, R " in told(grid), "no bits of rounding"
    none = grid.assign(**{"test/rate_1": 0.0, "test/rate": 0.0})
    assert "R_1 0, R_2 0" in told(none)
    assert "All 14 runs have the same value" in told(none, "compression")


def test_constraints_that_one_run_keeps(grid: pd.DataFrame) -> None:
    grid.loc[7, "test/psnr"] = grid["test/psnr"].max() + 1
    text = told(grid, f"density where test/psnr>={grid['test/psnr'].max() - 0.5:.3f}")
    assert "of 1 run" in text or "only candidate" in text


def test_seeds_that_do_not_differ_are_told_with_the_region(grid: pd.DataFrame, make_frame: MakeFrame) -> None:
    assert "For other seeds this is a guess: all 25 runs share one seed, and its luck." in told(grid)
    assert "For other seeds this is a guess: no run tells its seed." in told(grid.assign(seed=np.nan))
    mostly = grid.assign(seed=np.where(grid.index < 20, 0, grid.index))
    assert "For other seeds this is a guess: 20 of the 25 runs share one seed, and its luck." in told(mostly)
    assert "the 32 runs are of 2 seeds only" in told(make_frame(4, seeds=2))
    assert "For other seeds" not in told(make_frame(3, seeds=3))


def test_a_process_that_predicts_nothing_gives_no_probability(grid: pd.DataFrame) -> None:
    grid["test/psnr"] = 17 + np.random.default_rng(0).standard_normal(25)
    text = told(grid, "reconstruction")
    assert "Take it as a guess: by their rates, a Gaussian process over 25 runs predicts" in text
    assert "with probability" not in text.partition("Best run")[0]


def test_a_balance_of_three_metrics_tells_no_probability(grid: pd.DataFrame) -> None:
    assert "The optimum lies there with probability 90%" in told(grid, "pareto:test/psnr,test/rate=min")
    found = recommend(grid, "pareto:test/psnr,test/rate_1=min,test/rate_2=min")
    assert "with a probability that is not known" in " ".join(recommendation_lines(found))
    assert found.hedge == "no error known"


@pytest.mark.parametrize("target", ["test/psnr:1,{accuracy}:2", "pareto:{accuracy},test/rate=min"])
def test_a_combination_with_an_accuracy_has_no_level_of_chance(grid: pd.DataFrame, target: str) -> None:
    accuracy = "test/accuracy_svm_rbf_z2_sampled"
    said = "of metrics has no level of chance."
    assert said in told(grid, target.format(accuracy=accuracy))
    assert said not in told(grid, "test/psnr:1,test/rate:-1")


def test_seeds_of_the_best_model_that_break_a_constraint_are_told(make_frame: MakeFrame) -> None:
    frame = make_frame(3, seeds=3)
    found = recommend(frame, "compression")
    twins = frame.index[frame["group"] == found.run["group"]]
    frame.loc[twins[frame.loc[twins, "run_id"] != found.run["run_id"]], "test/psnr"] = 1.0
    assert recommend(frame, "compression").run["run_id"] == found.run["run_id"]
    assert "1 of 3 runs of this model keeps what is asked" in told(frame, "compression")
    assert not recommend(frame, "compression").gain_by_seeds


@pytest.mark.parametrize(("layers", "side"), [(1, 5), (4, 2), (1, 12)])
def test_other_numbers_of_layers(make_frame: MakeFrame, layers: int, side: int) -> None:
    text = told(make_frame(side, layers=layers))
    assert ("one layer has one β" in text) == (layers == 1)


def test_why_the_best_run_lies_outside(grid: pd.DataFrame) -> None:
    grid.loc[20, "test/psnr"] = grid["test/psnr"].max() + 0.5
    grid.loc[0, "test/psnr"] = grid["test/psnr"].max() - 0.5
    found = recommend(grid, "reconstruction")
    text = told(grid, "reconstruction")
    assert found.best_inside or "is expected of a model, so that the rest is luck" in text
