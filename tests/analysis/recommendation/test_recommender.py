"""The best run for an application, and its region."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis.recommendation.applications import applications
from analysis.recommendation.recommender import APPLICATIONS, application, recommend
from analysis.recommendation.text import recommendation_lines, summary_lines
from hit import schema
from hit.errors import StoreError

MakeFrame = Callable[..., pd.DataFrame]


@pytest.mark.parametrize(
    ("name", "metric", "best"),
    [
        ("reconstruction", "test/psnr", "max"),
        ("representation", "test/accuracy_svm_rbf_z2_sampled", "max"),
        ("density", "test/elbo", "max"),
    ],
)
def test_the_best_run_is_the_extreme_of_its_metric(grid: pd.DataFrame, name: str, metric: str, best: str) -> None:
    found = recommend(grid, name)
    assert found.value == getattr(grid[metric], best)()
    assert found.run[metric] == found.value
    assert found.metric == schema.metric(metric)
    assert found.candidates == 25


@pytest.mark.parametrize("count", [1, 2, 3])
def test_every_application_has_a_declared_metric_and_a_direction(count: int) -> None:
    for declared in APPLICATIONS:
        assert schema.is_metric(declared.metric_of(count).name)
        assert declared.direction_of(count) in ("minimize", "maximize")


def test_generation_wants_the_highest_inception_score_of_one_judge(grid: pd.DataFrame) -> None:
    with pytest.raises(StoreError, match=r"no finished run has sample/inception_score .*hit\.evaluate .*hit\.classify"):
        recommend(grid, "generation")
    grid["sample/inception_score"] = 9 - grid["test/rate"] / 20
    grid["judge"] = "judge-1"
    grid.loc[:3, ["judge", "sample/inception_score"]] = ("judge-0", 9.9)
    found = recommend(grid, "generation")
    same = grid[grid["judge"] == "judge-1"]
    assert (found.value, found.candidates) == (same["sample/inception_score"].max(), len(same))


def test_compression_wants_the_fewest_nats_among_good_reconstructions(grid: pd.DataFrame) -> None:
    found = recommend(grid, "compression")
    assert found.min_psnr == pytest.approx(grid["test/psnr"].max() - 3)
    good = grid[grid["test/psnr"] >= found.min_psnr]
    assert found.value == good["test/rate"].min() > grid["test/rate"].min()
    assert found.candidates == len(good)


def test_compression_takes_the_asked_quality(grid: pd.DataFrame) -> None:
    assert recommend(grid, "compression", min_psnr=0).value == grid["test/rate"].min()
    with pytest.raises(StoreError, match=r"min_psnr must be at most .* dB, .* got 90"):
        recommend(grid, "compression", min_psnr=90)


def test_failed_runs_and_missing_scores_do_not_win(grid: pd.DataFrame) -> None:
    order = grid["test/psnr"].sort_values(ascending=False).index
    grid.loc[order[0], "status"] = "FAILED"
    grid.loc[order[1], "test/psnr"] = np.nan
    grid.loc[order[2], "test/psnr"] = np.inf
    assert recommend(grid, "reconstruction").run["run_id"] == grid.loc[order[3], "run_id"]


def test_of_equal_scores_the_lowest_rate_wins_in_any_order(grid: pd.DataFrame) -> None:
    grid["test/psnr"] = 20.0
    cheapest = grid.loc[grid["test/rate"].idxmin(), "run_id"]
    for seed in range(3):
        assert recommend(grid.sample(frac=1, random_state=seed), "reconstruction").run["run_id"] == cheapest
    grid["test/rate"] = 1.0
    for seed in range(3):
        shuffled = grid.sample(frac=1, random_state=seed)
        assert recommend(shuffled, "reconstruction").run["run_id"] == grid["run_id"].min()


def test_the_gain_is_over_the_best_run_of_equal_betas(grid: pd.DataFrame) -> None:
    equal = grid[grid["beta_1"] == grid["beta_2"]]
    found = recommend(grid, "density")
    assert found.equal_candidates == 5
    assert found.equal_value == equal["test/elbo"].max()
    assert found.gain == pytest.approx(grid["test/elbo"].max() - equal["test/elbo"].max())
    assert found.gain > 0


def test_the_gain_of_a_price_counts_what_is_saved(grid: pd.DataFrame) -> None:
    found = recommend(grid, "compression", min_psnr=15)
    good = grid[grid["test/psnr"] >= 15]
    equal = good[good["beta_1"] == good["beta_2"]]
    assert found.gain == pytest.approx(equal["test/rate"].min() - good["test/rate"].min())


def test_no_gain_without_a_run_of_equal_betas(grid: pd.DataFrame, make_frame: MakeFrame) -> None:
    free = recommend(grid[grid["beta_1"] != grid["beta_2"]], "density")
    assert (free.gain, free.equal_run, free.equal_value) == (None, None, None)
    assert recommend(make_frame(5, layers=1), "density").gain is None


@pytest.mark.parametrize(("candidates", "few"), [(11, 2), (4, 2), (1, 1)])
def test_where_runs_are_too_few_the_best_quarter_spans_the_region_and_two_at_least(
    grid: pd.DataFrame, candidates: int, few: int
) -> None:
    runs = grid.head(candidates)
    best = runs.sort_values("test/elbo", ascending=False).head(few)
    found = recommend(runs, "density")
    assert found.estimate is None
    for layer in (1, 2):
        assert found.region.low[layer - 1] == best[f"test/rate_{layer}"].min()
        assert found.region.high[layer - 1] == best[f"test/rate_{layer}"].max()
    assert found.region.total_low == pytest.approx(best["test/rate"].min())
    assert found.region.total_high == pytest.approx(best["test/rate"].max())
    assert "no known uncertainty" in " ".join(recommendation_lines(found))


def test_of_many_runs_a_surrogate_says_the_region(grid: pd.DataFrame) -> None:
    found = recommend(grid, "density")
    assert found.estimate is not None
    assert found.region == found.estimate.box
    assert found.estimate.runs == 25
    assert abs(found.estimate.value - grid["test/elbo"].max()) < 3 * found.estimate.error + 3 * found.estimate.noise
    inside = [low <= rate <= high for low, rate, high in zip(
        found.region.low, found.estimate.optimum, found.region.high, strict=True)]  # fmt: skip
    assert all(inside)
    text = " ".join(recommendation_lines(found))
    assert "by a Gaussian process over 25 runs" in text
    assert "; all 25 runs share one seed, and its luck, so that more seeds of both are needed" in text


def test_the_order_of_the_runs_decides_nothing(grid: pd.DataFrame) -> None:
    first = recommend(grid, "representation").estimate
    second = recommend(grid.sample(frac=1, random_state=3), "representation").estimate
    assert first is not None
    assert second is not None
    assert second.value == pytest.approx(first.value, abs=4 * first.error)


def test_a_weighted_score_is_in_standard_deviations_over_the_runs(grid: pd.DataFrame) -> None:
    found = recommend(grid, "test/psnr:2,test/rate:-1")
    psnr, rate = grid["test/psnr"], grid["test/rate"]
    score = 2 * (psnr - psnr.mean()) / psnr.std(ddof=0) - (rate - rate.mean()) / rate.std(ddof=0)
    assert found.value == pytest.approx(score.max())
    assert found.run["run_id"] == grid.loc[score.idxmax(), "run_id"]
    assert found.metric.unit == "standard deviations"
    assert "analysis/score" not in grid


def test_one_metric_with_a_weight_ranks_as_the_metric_itself(grid: pd.DataFrame) -> None:
    assert recommend(grid, "test/psnr:1").run["run_id"] == recommend(grid, "reconstruction").run["run_id"]


def test_a_trade_off_recommends_a_run_of_the_front(grid: pd.DataFrame) -> None:
    found = recommend(grid, "pareto:test/psnr,test/rate=min")
    assert found.front is not None
    ids = set(found.front["run_id"])
    assert found.run["run_id"] in ids
    for _, run in grid.iterrows():
        better = (grid["test/psnr"] >= run["test/psnr"]) & (grid["test/rate"] <= run["test/rate"])
        better &= (grid["test/psnr"] > run["test/psnr"]) | (grid["test/rate"] < run["test/rate"])
        assert (run["run_id"] in ids) == (not better.any())
    ends = grid.loc[[grid["test/psnr"].idxmax(), grid["test/rate"].idxmin()], "run_id"]
    assert found.run["run_id"] not in set(ends), "a balance is at neither end"


def test_constraints_leave_runs_out_and_bound_the_region(grid: pd.DataFrame) -> None:
    found = recommend(grid, "reconstruction where test/rate<=30,test/rate_2>=2")
    kept = grid[(grid["test/rate"] <= 30) & (grid["test/rate_2"] >= 2)]
    assert (found.value, found.candidates) == (kept["test/psnr"].max(), len(kept))
    assert found.estimate is not None
    assert found.region.total_high <= 30 + 1e-6
    assert found.region.low[1] >= 2 - 1e-6


def test_a_constraint_on_psnr_is_what_compression_means_by_good_enough(grid: pd.DataFrame) -> None:
    asked = recommend(grid, "compression where test/psnr>=16")
    assert asked.min_psnr == 16
    assert asked.value == recommend(grid, "compression", min_psnr=16).value


def test_constraints_that_no_run_keeps_say_what_to_run(grid: pd.DataFrame) -> None:
    with pytest.raises(StoreError, match=r"no finished run keeps test/rate<=1 .*--driver bayes --constraints"):
        recommend(grid, "reconstruction where test/rate<=1")


def test_a_constraint_on_a_metric_that_no_run_has(grid: pd.DataFrame) -> None:
    with pytest.raises(StoreError, match=r"no finished run has sample/recall .*hit\.evaluate"):
        recommend(grid, "reconstruction where sample/recall>=0.5")


def test_the_gain_has_the_error_of_its_replicates(make_frame: MakeFrame) -> None:
    frame = make_frame(3, seeds=3)
    found = recommend(frame, "density")
    assert found.equal_run is not None
    spreads = [frame.loc[frame["group"] == run["group"], "test/elbo"].std() for run in (found.run, found.equal_run)]
    assert found.gain_error == pytest.approx(np.hypot(*spreads))
    assert found.gain_by_seeds
    assert recommend(make_frame(3), "density").gain_error is None
    alone = recommend(make_frame(5), "density")
    assert alone.estimate is not None
    assert alone.gain_error == pytest.approx(np.sqrt(2) * alone.estimate.noise)
    assert not alone.gain_by_seeds


def test_told_says_it_for_every_setting_and_names_what_is_missing(grid: pd.DataFrame, make_frame: MakeFrame) -> None:
    grid.loc[24, "status"] = "RUNNING"
    lines = summary_lines(pd.concat([grid, make_frame(2, dataset="digits")]), applications("density, generation"))
    assert lines[0] == "binary_mnist · GHVAE · bernoulli: 24 finished runs, 1 failed or unfinished"
    assert sum("density: target R_1" in line for line in lines) == 2
    assert sum("no finished run has sample/inception_score" in line for line in lines) == 2
    with pytest.raises(StoreError, match=r"hit\.classify"):
        summary_lines(grid, applications("generation"))
    with pytest.raises(StoreError, match="no run has finished"):
        summary_lines(grid.assign(status="FAILED"), applications("density"))


def test_replicates_of_the_best_run_tell_how_sure_it_is(make_frame: MakeFrame) -> None:
    frame = make_frame(3, seeds=3)
    found = recommend(frame, "reconstruction")
    twins = frame[frame["group"] == found.run["group"]]["test/psnr"]
    assert (found.count, found.mean, found.spread) == (3, pytest.approx(twins.mean()), pytest.approx(twins.std()))
    alone = recommend(make_frame(3), "reconstruction")
    assert (alone.count, alone.mean, alone.spread) == (1, alone.value, None)


@pytest.mark.parametrize(("count", "side"), [(1, 5), (3, 3)])
def test_other_numbers_of_layers(make_frame: MakeFrame, count: int, side: int) -> None:
    found = recommend(make_frame(side, layers=count), "representation")
    assert found.metric.name == f"test/accuracy_svm_rbf_z{count}_sampled"
    assert len(found.region.low) == count


def test_data_sets_are_not_compared(grid: pd.DataFrame, make_frame: MakeFrame) -> None:
    with pytest.raises(StoreError, match="one dataset"):
        recommend(pd.concat([grid, make_frame(2, dataset="digits")]), "density")


def test_an_unknown_application_is_named() -> None:
    with pytest.raises(StoreError, match="unknown application 'compresion'; did you mean 'compression'"):
        application("compresion")


def test_a_missing_metric_says_what_to_run(grid: pd.DataFrame) -> None:
    with pytest.raises(StoreError, match=r"python -m hit\.evaluate"):
        recommend(grid.drop(columns="test/accuracy_svm_rbf_z2_sampled"), "representation")


def test_it_says_how_many_runs_lie_in_the_region_and_whether_the_best_does(grid: pd.DataFrame) -> None:
    found = recommend(grid, "reconstruction")
    low, high, count = found.region.low, found.region.high, 2
    rates = np.column_stack([grid[f"test/rate_{layer}"] for layer in range(1, count + 1)])
    inside = ((rates >= np.array(low) - 1e-6) & (rates <= np.array(high) + 1e-6)).all(1)
    inside &= (rates.sum(1) >= found.region.total_low - 1e-6) & (rates.sum(1) <= found.region.total_high + 1e-6)
    assert found.inside == inside.sum()
    assert found.best_inside == inside[grid["run_id"].eq(found.run["run_id"])].item()
    few = recommend(grid.head(5), "reconstruction")
    assert few.best_inside, "the best few span it"


def test_no_run_is_best_by_chance(grid: pd.DataFrame) -> None:
    name = "test/accuracy_svm_rbf_z2_sampled"
    grid[name] = np.linspace(0.03, 0.0833, len(grid))
    with pytest.raises(StoreError, match=r"= 0\.0833, which is no more than chance \(0\.1\): z_2 says nothing"):
        recommend(grid, "representation")
