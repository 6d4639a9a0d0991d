"""Pictures in three dimensions show the frame's numbers."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from analysis.figures import rate_space, rate_space_3d, style, three_metrics
from hit.errors import StoreError
from tests.frames import grid_frame, with_samples

NAMES = ("test/psnr", "sample/inception_score", "test/accuracy_svm_rbf_z2_sampled")


def trace(figure: go.Figure, kind: str, name: str) -> Any:
    """The only trace of this type and name."""
    (found,) = [one for one in figure.data if one.type == kind and one.name == name]
    return found


def test_a_metric_is_the_height_over_its_rates(grid: pd.DataFrame) -> None:
    grid.loc[0, "status"] = "FAILED"
    runs = trace(rate_space_3d(grid, "test/psnr"), "scatter3d", "run")
    for axis, name in (("x", "test/rate_1"), ("y", "test/rate_2"), ("z", "test/psnr")):
        np.testing.assert_array_equal(runs[axis], grid[name][1:])
    assert list(runs.ids) == [*grid["run_id"][1:]]


def test_lines_on_the_floor_join_equal_rates_below_every_run(grid: pd.DataFrame) -> None:
    figure = rate_space_3d(grid, "test/psnr")
    (floor,) = [one for one in figure.data if one.type == "scatter3d" and one.mode == "lines+text"]
    labels = [float(text.removeprefix("R = ")) for text in floor.text if text]
    ends = [x + y for x, y in zip(floor.x, floor.y, strict=True) if x is not None]
    assert sorted({*np.round(ends, 6)}) == pytest.approx(labels)
    assert max(z for z in floor.z if z is not None) < grid["test/psnr"].min()


def test_the_sheet_joins_neighbours_in_beta(grid: pd.DataFrame) -> None:
    sheet = trace(rate_space_3d(grid, "test/psnr"), "mesh3d", "neighbours in β")
    steps = np.round(np.log10(grid[["beta_1", "beta_2"]].to_numpy()) * 2)
    assert len(sheet.i) == 2 * 4 * 4, "two triangles a cell of the grid"
    for corners in zip(sheet.i, sheet.j, sheet.k, strict=True):
        assert (np.ptp(steps[list(corners)], axis=0) == 1).all()


def test_three_metrics_are_the_axes_and_beta_the_colour(grid: pd.DataFrame) -> None:
    frame = with_samples(grid)
    figure = three_metrics(frame)
    runs = trace(figure, "scatter3d", "run")
    for axis, name in zip("xyz", NAMES, strict=True):
        np.testing.assert_array_equal(runs[axis], frame[name])
    np.testing.assert_allclose(runs.marker.color, np.log10(frame["beta_2"] / frame["beta_1"]))
    assert figure.layout.scene.xaxis.title.text == "PSNR [dB]"
    star = trace(figure, "scatter3d", "all β = 1")
    assert star.x[0] == frame.loc[(frame["beta_1"] == 1) & (frame["beta_2"] == 1), "test/psnr"].item()
    with pytest.raises(StoreError, match="sample/inception_score"):
        three_metrics(grid, NAMES)


def test_what_no_run_has_is_replaced(grid: pd.DataFrame) -> None:
    scene = three_metrics(grid).layout.scene
    titles = [scene[f"{axis}axis"].title.text for axis in "xyz"]
    assert titles == ["PSNR [dB]", "accuracy of<br>z<sub>2</sub> on samples", "I(y; z<sub>2</sub>)<br>[nats]"]
    core = grid.drop(columns=[name for name in grid if "accuracy" in name or "mi_z" in name])
    assert three_metrics(core).layout.scene.yaxis.title.text.startswith("ELBO")


def test_marks_leave_the_colours_of_runs_to_be_seen(grid: pd.DataFrame) -> None:
    for figure in (rate_space_3d(grid, "test/psnr"), rate_space(grid, "test/psnr")):
        for name in ("β<sub>1</sub> = β<sub>2</sub>", "all β = 1"):
            (marks,) = [one for one in figure.data if one.name == name]
            assert marks.marker.symbol.endswith("-open")


@pytest.mark.parametrize(("side", "layers"), [(1, 1), (1, 2), (4, 1), (3, 2), (2, 3)])
@pytest.mark.parametrize("theme", style.THEMES)
def test_it_renders_from_any_number_of_runs(side: int, layers: int, theme: style.Theme) -> None:
    frame = grid_frame(side, layers=layers)
    assert "scene" in rate_space_3d(frame, "test/psnr", theme=theme).to_plotly_json()["layout"]
    assert three_metrics(frame, ("test/psnr", "test/elbo", "test/rate"), theme=theme).data


def test_betas_on_a_line_or_of_zero_have_no_sheet(grid: pd.DataFrame) -> None:
    for frame in (grid.assign(beta_2=1.0), grid.assign(beta_2=0.0)):
        assert not [one for one in rate_space_3d(frame, "test/psnr").data if one.type == "mesh3d"]
