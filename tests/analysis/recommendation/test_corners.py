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
    assert "How much of it is the luck of single runs is not known" in text


def test_runs_that_are_all_alike(grid: pd.DataFrame) -> None:
    alike = pd.concat([grid.head(1)] * 20, ignore_index=True).assign(run_id=[f"{number:032d}" for number in range(20)])
    text = told(alike)
    assert "All 20 runs have the same value: no region is better than another." in text
    assert "All 20 runs have equal β" in text


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


def test_runs_without_the_metric_are_left_out(grid: pd.DataFrame) -> None:
    grid.loc[::2, "test/elbo"] = np.nan
    assert "of 12 runs" in told(grid)


def test_rates_of_zero(grid: pd.DataFrame) -> None:
    grid["test/rate_2"] = 0.0
    grid["test/rate"] = grid["test/rate_1"]
    assert "R_2 0" in told(grid)
    assert "R_1 0, R_2 0" in told(grid.assign(**{"test/rate_1": 0.0, "test/rate": 0.0}))


def test_constraints_that_one_run_keeps(grid: pd.DataFrame) -> None:
    grid.loc[7, "test/psnr"] = grid["test/psnr"].max() + 1
    text = told(grid, f"density where test/psnr>={grid['test/psnr'].max() - 0.5:.3f}")
    assert "of 1 run" in text or "only candidate" in text


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
