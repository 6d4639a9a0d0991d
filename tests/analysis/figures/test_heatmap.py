"""The cells of the heat map are means of the frame's runs, and gaps are seen."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from analysis.figures import beta_heatmap, style

MakeFrame = Callable[..., pd.DataFrame]


def trace(figure: go.Figure, name: str) -> Any:
    """The only trace of this name, None where there is none."""
    found = [one for one in figure.data if one.name == name]
    assert len(found) < 2
    return found[0] if found else None


def cells(figure: go.Figure) -> dict[tuple[str, str], float]:
    """Value of each cell by its labels."""
    (grid,) = [one for one in figure.data if one.type == "heatmap"]
    return {(x, y): grid.z[j][i] for i, x in enumerate(grid.x) for j, y in enumerate(grid.y)}


def test_a_cell_holds_the_value_of_its_run(grid: pd.DataFrame) -> None:
    table = cells(beta_heatmap(grid.sample(frac=1, random_state=0), "test/psnr"))
    assert len(table) == 25
    for _, run in grid.iterrows():
        assert table[f"{run['beta_1']:g}", f"{run['beta_2']:g}"] == run["test/psnr"]


def test_a_cell_is_the_mean_of_its_replicates(make_frame: MakeFrame) -> None:
    frame = make_frame(3, seeds=4)
    figure = beta_heatmap(frame, "test/psnr")
    corner = frame[(frame["beta_1"] == 10) & (frame["beta_2"] == 0.1)]
    assert cells(figure)["10", "0.1"] == pytest.approx(corner["test/psnr"].mean())
    assert figure.data[0].customdata[0][2][1] == "mean ± spread of 4 runs"


def test_betas_stand_in_their_order(grid: pd.DataFrame) -> None:
    figure = beta_heatmap(grid, "test/psnr")
    assert list(figure.data[0].x) == ["0.1", "0.316228", "1", "3.16228", "10"]
    assert list(figure.layout.xaxis.ticktext) == ["0.1", "0.316", "1", "3.16", "10"]


def test_a_narrow_page_has_room_for_the_labels_of_a_fine_grid(make_frame: MakeFrame) -> None:
    assert list(beta_heatmap(make_frame(21), "test/psnr").layout.yaxis.ticktext) == ["0.1", "0.316", "1", "3.16", "10"]


def test_gaps_are_empty_and_crossed_and_failures_told_apart(grid: pd.DataFrame) -> None:
    grid.loc[3, "status"] = "FAILED"
    grid.loc[4, "status"] = "RUNNING"
    figure = beta_heatmap(grid.drop(index=[8, 9]), "test/psnr")
    table = cells(figure)
    assert sum(np.isnan(value) for value in table.values()) == 4
    failed, gaps = trace(figure, "failed"), trace(figure, "no finished run")
    assert (failed.x, failed.y) == (("0.1",), ("3.16228",))
    assert set(zip(gaps.x, gaps.y, strict=True)) == {("0.1", "10"), ("0.316228", "3.16228"), ("0.316228", "10")}


def test_a_failed_replicate_of_a_finished_run_leaves_no_gap(make_frame: MakeFrame) -> None:
    frame = make_frame(2, seeds=2)
    frame.loc[0, "status"] = "FAILED"
    assert trace(beta_heatmap(frame, "test/psnr"), "failed") is None


@pytest.mark.parametrize(("name", "best"), [("test/psnr", "idxmax"), ("test/distortion", "idxmin")])
def test_the_best_cell_follows_the_direction_of_the_metric(make_frame: MakeFrame, name: str, best: str) -> None:
    for side in (5, 9):  # with room for numbers in the cells, and without
        frame = make_frame(side)
        figure = beta_heatmap(frame, name)
        run = frame.loc[getattr(frame[name], best)()]
        where = f"{run['beta_1']:g}", f"{run['beta_2']:g}"
        if side == 9:
            mark = trace(figure, "best")
            assert (mark.x[0], mark.y[0]) == where
        else:
            numbers = trace(figure, "numbers")
            texts = dict(zip(zip(numbers.x, numbers.y, strict=True), numbers.text, strict=True))
            assert texts[where] == f"{style.number(run[name], 3, padded=True)}<br><b>best</b>"
            assert len([text for text in numbers.text if "best" in text]) == 1


def test_a_metric_of_which_neither_more_nor_less_is_better_has_no_best_cell(make_frame: MakeFrame) -> None:
    assert trace(beta_heatmap(make_frame(9), "test/rate_1"), "best") is None
    assert not any("best" in text for text in trace(beta_heatmap(make_frame(3), "test/rate_1"), "numbers").text)


def test_numbers_are_legible_on_their_cells(grid: pd.DataFrame) -> None:
    numbers = trace(beta_heatmap(grid, "test/psnr"), "numbers")
    colors = dict(zip(numbers.text, numbers.textfont.color, strict=True))
    assert colors[f"{grid['test/psnr'].min():.3g}"] == "#ffffff"  # on the dark end of the scale
    (best,) = [text for text in colors if "best" in text]
    assert colors[best] == "#10151a"


def test_rounding_does_not_part_cells(grid: pd.DataFrame) -> None:
    grid.loc[:4, "beta_1"] += 1e-12
    assert len(cells(beta_heatmap(grid, "test/psnr"))) == 25


def test_zero_is_a_beta(grid: pd.DataFrame) -> None:
    grid.loc[grid["beta_1"] == 0.1, "beta_1"] = 0.0
    assert beta_heatmap(grid, "test/psnr").data[0].x[0] == "0"


def test_betas_off_any_grid_are_points(make_frame: MakeFrame) -> None:
    frame = make_frame(6)
    rng = np.random.default_rng(0)
    frame["beta_1"], frame["beta_2"] = 10 ** rng.uniform(-1, 1, (2, 36))
    figure = beta_heatmap(frame, "test/psnr")
    points = trace(figure, "run")
    np.testing.assert_allclose(points.x, frame["beta_1"], rtol=1e-5)
    np.testing.assert_array_equal(points.marker.color, frame["test/psnr"])
    assert figure.layout.xaxis.type == "log"


def test_one_layer_is_a_curve_over_its_beta(make_frame: MakeFrame) -> None:
    frame = make_frame(5, layers=1, seeds=2)
    figure = beta_heatmap(frame, "test/psnr")
    np.testing.assert_allclose(trace(figure, "mean").y, frame.groupby("beta_1")["test/psnr"].mean())
    np.testing.assert_array_equal(trace(figure, "run").y, frame["test/psnr"])
    assert figure.layout.yaxis.title.text == "PSNR [dB]"


def test_three_layers_are_a_slice_at_the_commonest_other_beta(make_frame: MakeFrame) -> None:
    frame = make_frame(3, layers=3)
    few = frame[(frame["beta_2"] == 1) | (frame["beta_1"] == 1)]
    figure = beta_heatmap(few, "test/psnr")
    slice_ = few[few["beta_2"] == 1]
    table = cells(figure)
    for _, run in slice_.iterrows():
        assert table[f"{run['beta_1']:g}", f"{run['beta_3']:g}"] == run["test/psnr"]
    assert "at β<sub>2</sub> = 1" in figure.layout.title.text


def test_no_cell_is_the_best_by_chance(grid: pd.DataFrame) -> None:
    name = "test/accuracy_svm_rbf_z2"
    grid[name] = np.linspace(0.03, 0.09, len(grid))
    (numbers,) = [one for one in beta_heatmap(grid, name).data if one.name == "numbers"]
    assert not any("best" in text for text in numbers.text)
    grid.loc[0, name] = 0.5
    (numbers,) = [one for one in beta_heatmap(grid, name).data if one.name == "numbers"]
    assert sum("best" in text for text in numbers.text) == 1
