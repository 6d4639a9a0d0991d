"""Rows and columns for people, and sentences where something is missing."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis.frame import errors, finished, layers, one_dataset, replicates, require, values
from hit.errors import StoreError

MakeFrame = Callable[..., pd.DataFrame]


def test_a_metric_that_must_be_asked_for_says_how(grid: pd.DataFrame) -> None:
    with pytest.raises(StoreError, match=r"no finished run has sample/fid_inception .* --metrics inception"):
        require(grid, "sample/fid_inception")


def test_finished_leaves_out_every_other_status(grid: pd.DataFrame) -> None:
    grid.loc[[0, 1, 2], "status"] = ["FAILED", "RUNNING", "KILLED"]
    assert list(finished(grid).index) == list(range(3, 25))


@pytest.mark.parametrize(("count", "side"), [(1, 5), (2, 2), (3, 2)])
def test_layers_counts_latents(make_frame: MakeFrame, count: int, side: int) -> None:
    assert layers(make_frame(side, layers=count)) == count


def test_layers_are_what_runs_have_logged_and_derived_for_those_of_earlier_versions(make_frame: MakeFrame) -> None:
    logged = make_frame(2).assign(layers=3.0, model="of_an_extension", z_dims=None)
    assert layers(logged) == 3
    assert layers(pd.concat([logged, make_frame(2, layers=4)])) == 4
    assert layers(pd.concat([logged, make_frame(2, layers=1)])) == 3
    assert layers(logged.iloc[:0]) == 0


def test_layers_of_a_vae_that_was_handed_a_beta_2(make_frame: MakeFrame) -> None:
    assert layers(make_frame(3, layers=1).assign(beta_2=1.0)) == 1


def test_values_turn_infinities_and_texts_into_missing() -> None:
    frame = pd.DataFrame({"x": [1.5, np.inf, -np.inf, None, "2", "two"]})
    assert values(frame, "x").tolist()[::4] == [1.5, 2.0]
    assert values(frame, "x").isna().tolist() == [False, True, True, True, False, True]
    assert values(frame, "y").isna().all()


def test_errors_are_a_metrics_own(grid: pd.DataFrame) -> None:
    grid["test/psnr_standard_error"] = 0.2
    grid.loc[1, "test/psnr"] = np.nan
    assert errors(grid, "test/psnr").isna().tolist()[:3] == [False, True, False]
    assert errors(grid, "test/psnr")[0] == 0.2
    assert errors(grid, "test/distortion").isna().all()
    assert errors(grid, "analysis/score").isna().all()
    assert errors(grid, "taste").isna().all()


def test_errors_of_accuracies_of_earlier_versions_are_binomial(grid: pd.DataFrame) -> None:
    name = "test/accuracy_knn_z2_sampled"
    grid = grid.assign(**{name: 0.9, "test/held_out": 72.0}).astype({name: float})
    grid.loc[1, f"{name}_standard_error"] = 0.01
    grid.loc[2, "test/held_out"] = np.nan
    grid.loc[3, name] = np.nan
    grid.loc[4, name] = 1.0
    found = errors(grid, name).tolist()
    assert found[0] == pytest.approx((0.9 * 0.1 / 72) ** 0.5, rel=0.05)
    assert found[1] == 0.01
    assert np.isnan(found[2:4]).all()
    assert 0 < found[4] < found[0], "all right of 72 is not without an error"
    assert errors(grid, "test/accuracy_bound_rate_z2").isna().all()


def test_require_keeps_finished_rows_that_have_all_metrics(grid: pd.DataFrame) -> None:
    grid.loc[0, "status"] = "FAILED"
    grid.loc[1, "test/psnr"] = np.nan
    grid.loc[2, "test/elbo"] = np.nan
    assert list(require(grid, "test/psnr", "test/elbo")["run_id"]) == list(grid["run_id"][3:])


def test_require_says_what_measures_a_missing_metric(grid: pd.DataFrame) -> None:
    wanted = (
        "no finished run has test/mi_z2 (I(y; z_2)): measure it by `python -m hit.evaluate "
        "--where \"params.dataset = 'binary_mnist' and params.model = 'ghvae'\"`"
    )
    for frame in (grid.drop(columns="test/mi_z2"), grid.assign(**{"test/mi_z2": np.nan})):
        with pytest.raises(StoreError) as caught:
            require(frame, "test/mi_z2")
        assert str(caught.value) == wanted


def test_a_dataset_with_odd_characters_stays_out_of_the_command(grid: pd.DataFrame) -> None:
    grid["dataset"] = "my 'data\"; rm -rf"
    with pytest.raises(StoreError, match=r"params.model = 'ghvae'") as caught:
        require(grid.drop(columns="test/mi_z2"), "test/mi_z2")
    assert "rm -rf" not in str(caught.value)


def test_require_names_the_nearest_metric(grid: pd.DataFrame) -> None:
    with pytest.raises(StoreError, match="did you mean 'test/psnr'"):
        require(grid, "test/pnsr")


def test_require_without_finished_runs(grid: pd.DataFrame) -> None:
    with pytest.raises(StoreError, match="no run has finished: make one"):
        require(grid.assign(status="RUNNING"), "test/psnr")


def test_scores_of_different_evaluators_do_not_mix(grid: pd.DataFrame) -> None:
    grid.loc[:3, "evaluator"] = "evaluator-0"
    assert len(require(grid, "test/accuracy_svm_rbf_z2")) == 21
    assert len(require(grid, "test/mi_z1")) == 21
    assert len(require(grid, "test/psnr")) == 25
    assert len(require(grid, "test/accuracy_bound_rate_z2")) == 25


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("test/bound_slack_z2", "evaluator"),
        ("test/bound_holds_mi_z1", "evaluator"),
        ("test/accuracy_bound_mi_z2", "evaluator"),
        ("test/bound_slack_diversity", "judge"),
        ("test/prediction_entropy", "judge"),
        ("sample/fid_inception", "inception"),
    ],
)
def test_what_rests_on_a_score_compares_by_one_evaluator_too(grid: pd.DataFrame, name: str, column: str) -> None:
    grid[name], grid[column] = 0.5, "newer"
    grid.loc[:3, column] = "older"
    assert len(require(grid, name)) == 21
    grid.loc[:3, name] = 9.5  # the mean of replicates does not mix them, either
    grid["group"] = "all"
    assert replicates(grid, [name])[name, "mean"].item() == 0.5
    assert replicates(grid, [name])[name, "count"].item() == 21


def test_one_dataset(grid: pd.DataFrame, make_frame: MakeFrame) -> None:
    assert one_dataset(grid) == "binary_mnist"
    assert one_dataset(grid.assign(dataset="/home/me/images/birds.npz")) == "birds.npz"
    assert one_dataset(grid.assign(dataset="images/birds/")) == "birds"
    with pytest.raises(StoreError, match="got binary_mnist, digits"):
        one_dataset(pd.concat([grid, make_frame(2, dataset="digits")]))
    grid.loc[0, "data_digest"] = "another"
    with pytest.raises(StoreError, match="one version of binary_mnist"):
        one_dataset(grid)


def test_replicates_average_over_seeds_alone(make_frame: MakeFrame) -> None:
    frame = make_frame(2, seeds=3)
    frame["test/psnr"] = [10.0, 12.0, 14.0, *([20.0] * 9)]
    frame.loc[3, "test/psnr"] = np.nan
    frame.loc[4, "status"] = "FAILED"
    table = replicates(frame, ["test/psnr", "test/elbo"])
    first, second = frame["group"].iloc[0], frame["group"].iloc[3]
    assert len(table) == 4
    assert table.loc[first, "test/psnr"].tolist() == [12.0, 2.0, 3]
    assert table.loc[second, ("test/psnr", "count")] == 1
    assert table.loc[second, ("test/elbo", "count")] == 2
    assert np.isnan(table.loc[second, ("test/psnr", "spread")])


def test_a_run_without_group_stands_for_itself(grid: pd.DataFrame) -> None:
    assert len(replicates(grid.assign(group=None), ["test/psnr"])) == 25
