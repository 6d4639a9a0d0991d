"""Figures tell a model that was trained with several seeds by the mean and the spread of its runs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from analysis.figures import beta_heatmap, common, metric_against_rate, rate_space, scales, small_multiples
from analysis.frame import values
from analysis.report.array_pool import Pool
from analysis.report.explorer import data

MakeFrame = Callable[..., pd.DataFrame]
ACCURACY = "test/accuracy_svm_rbf_z2"


@pytest.fixture
def seeded(make_frame: MakeFrame) -> pd.DataFrame:
    """A grid of nine models, one of which was trained with three seeds and one with two."""
    frame = make_frame(3, seeds=3)
    chosen = frame["seed"] == 0
    chosen |= (frame["beta_1"] == 1) & (frame["beta_2"] == 1)
    chosen |= (frame["beta_1"] == 0.1) & (frame["beta_2"] == 10) & (frame["seed"] < 2)
    return frame[chosen].reset_index(drop=True)


def means(figure: go.Figure) -> Any:
    """The marks of models of several seeds."""
    return [one for one in figure.data if one.name == common.SEED_MEAN]


def test_groups_have_mean_spread_and_count(seeded: pd.DataFrame) -> None:
    table = common.grouped(seeded, values(seeded, "test/rate_1"), values(seeded, "test/psnr"))
    assert len(table) == 9
    assert sorted(table["seeds", "count"]) == [1] * 7 + [2, 3]
    unit = seeded[(seeded["beta_1"] == 1) & (seeded["beta_2"] == 1)]
    row = table.loc[unit["group"].iloc[0]]
    assert row[1, "mean"] == pytest.approx(unit["test/psnr"].mean())
    assert row[0, "spread"] == pytest.approx(unit["test/rate_1"].std(ddof=1))
    assert table.loc[table["seeds", "count"] == 1, (0, "spread")].isna().all(), "nobody knows it"


@pytest.mark.parametrize(
    "draw",
    [
        lambda frame: rate_space(frame, "test/psnr"),
        lambda frame: metric_against_rate(frame, ACCURACY),
        lambda frame: small_multiples(frame, ["test/psnr"]),
    ],
)
def test_a_mark_and_bars_for_each_model_of_several_seeds(
    seeded: pd.DataFrame, draw: Callable[[pd.DataFrame], go.Figure]
) -> None:
    (mark,) = means(draw(seeded))
    assert len(mark.x) == len(mark.error_x.array) == len(mark.error_y.array) == 2
    assert (np.asarray(mark.error_y.array) > 0).all()
    assert sorted(text.partition("<br>")[0] for text in mark.hovertext) == [
        f"<b>mean ± spread of {count} seeds</b>" for count in (2, 3)
    ]
    assert mark.ids is None, "every run is pointed at by its own point"
    assert means(draw(seeded[seeded["seed"] == 0])) == []


def test_the_mark_says_mean_and_spread(seeded: pd.DataFrame) -> None:
    (mark,) = means(rate_space(seeded, "test/psnr"))
    unit = seeded[(seeded["beta_1"] == 1) & (seeded["beta_2"] == 1)]
    (at,) = np.flatnonzero(np.isclose(mark.x, unit["test/rate_1"].mean()))
    assert f"PSNR = {unit['test/psnr'].mean():.4g} ± " in mark.hovertext[at]


def test_a_run_says_how_many_seeds_its_model_has(seeded: pd.DataFrame) -> None:
    (runs,) = [one for one in rate_space(seeded, "test/psnr").data if one.name == "run"]
    assert "seeds of this model: %{customdata[8]}" in runs.hovertemplate
    assert sorted(row[8] for row in runs.customdata) == ["1"] * 7 + ["2"] * 2 + ["3"] * 3
    assert runs.meta["says"][-1] == "seeds"
    pool = Pool(seeded["run_id"])
    assert "seeds" in data(seeded, pool)["columns"], "the page fills in what a run says by this column"
    (alone,) = [one for one in rate_space(seeded[seeded["seed"] == 0], "test/psnr").data if one.name == "run"]
    assert "seeds" not in alone.hovertemplate


def test_equal_betas_are_joined_through_the_means(seeded: pd.DataFrame) -> None:
    figure = rate_space(seeded, "test/psnr")
    (rings,) = [one for one in figure.data if one.name == "β<sub>1</sub> = β<sub>2</sub>"]
    equal = seeded[seeded["beta_1"] == seeded["beta_2"]]
    np.testing.assert_allclose(rings.x, equal.groupby("beta_1")["test/rate_1"].mean())


def test_bars_stay_on_logarithmic_axes(seeded: pd.DataFrame) -> None:
    (mark,) = means(scales.logarithmic(rate_space(seeded, "test/psnr")))
    assert np.isfinite(np.asarray(mark.error_x.array, float)).all()


def test_runs_without_a_group_stand_for_themselves(seeded: pd.DataFrame) -> None:
    alone = seeded.assign(group=None)
    assert means(rate_space(alone, "test/psnr")) == []


def test_off_any_grid_and_over_one_beta(make_frame: MakeFrame) -> None:
    line = make_frame(5, layers=1, seeds=2)
    (mark,) = means(beta_heatmap(line, "test/psnr"))
    assert len(mark.x) == 5
