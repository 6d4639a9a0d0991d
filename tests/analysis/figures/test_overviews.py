"""Small multiples, parallel coordinates and training paths show the frame's numbers."""

import numpy as np
import pandas as pd
import pytest

from analysis.figures import parallel_coordinates, small_multiples, style, training_paths
from hit.errors import StoreError
from tests.frames import grid_frame, paths, with_samples


def test_every_metric_has_a_panel_from_its_worst_to_its_best_run(grid: pd.DataFrame) -> None:
    figure = small_multiples(grid, ["test/psnr", "test/distortion"])
    panels = [one for one in figure.data if one.name == "run"]
    assert figure.layout.meta["panels"] == len(panels) == 2
    psnr, distortion = (panel.marker.color for panel in panels)
    assert np.argmax(psnr) == grid["test/psnr"].argmax()
    assert np.argmax(distortion) == grid["test/distortion"].argmin()
    assert psnr.min() == distortion.min() == 0
    titles = [note.text for note in figure.layout.annotations]
    assert titles[0].startswith("PSNR")
    low, high = grid["test/psnr"].min(), grid["test/psnr"].max()
    assert f"{style.number(low, 3)} to {style.number(high, 3)} dB" in titles[0]


def test_the_ends_of_a_panel_are_numbers_beside_chance(grid: pd.DataFrame) -> None:
    grid.loc[0, "test/mi_z2"] = -0.00003
    names = ["test/mi_z2", "test/accuracy_knn_z2_sampled", "test/accuracy_knn_z2", "test/psnr"]
    mi, accuracy, _, psnr = (note.text for note in small_multiples(grid, names).layout.annotations)
    assert f">0 to {style.number(grid['test/mi_z2'].max(), 3)} nats<" in mi
    assert ", chance 0.1<" in accuracy
    assert "chance" not in mi + psnr


def test_titles_of_parallel_axes_have_two_lines(grid: pd.DataFrame) -> None:
    (lines,) = parallel_coordinates(with_samples(grid)).data
    assert [axis.label.count("<br>") for axis in lines.dimensions if axis.label.count("<br>") > 1] == []
    assert lines.dimensions[2].label == "R<sub>1</sub><br>[nats]"


def test_by_default_metrics_that_vary_have_panels(grid: pd.DataFrame) -> None:
    grid["test/psnr"] = 3.0
    titles = " ".join(note.text for note in small_multiples(with_samples(grid)).layout.annotations)
    assert "ELBO" in titles
    assert "inception score" in titles
    assert "PSNR" not in titles
    assert "seconds" not in titles


def test_no_panel_is_empty(grid: pd.DataFrame) -> None:
    figure = small_multiples(grid, ["test/psnr", "test/elbo", "test/distortion", "test/mi_z2", "test/mi_z1"])
    assert [figure.layout[f"xaxis{at}"].visible for at in range(2, 9)] == [True] * 4 + [False] * 3
    with pytest.raises(StoreError, match="at least one metric"):
        small_multiples(grid, [])


def test_a_line_goes_through_betas_rates_and_downstream_metrics(grid: pd.DataFrame) -> None:
    grid.loc[0, "status"] = "FAILED"
    (lines,) = parallel_coordinates(grid).data
    axes = {axis.name: axis for axis in lines.dimensions}
    assert [*axes][:4] == ["beta_1", "beta_2", "test/rate_1", "test/rate_2"]
    np.testing.assert_allclose(axes["beta_2"]["values"], np.log10(grid["beta_2"][1:]))
    assert dict(zip(axes["beta_1"].ticktext, axes["beta_1"].tickvals, strict=True)) == {"0.1": -1, "1": 0, "10": 1}
    np.testing.assert_array_equal(axes["test/psnr"]["values"], grid["test/psnr"][1:])
    np.testing.assert_array_equal(lines.line.color, grid["test/psnr"][1:])
    assert "sample/inception_score" not in axes, "no run has it"
    assert "sample/inception_score" in {
        axis.name for axis in parallel_coordinates(with_samples(grid)).data[0].dimensions
    }


def test_a_beta_of_zero_has_a_place_on_its_axis(grid: pd.DataFrame) -> None:
    grid.loc[grid["beta_2"] < 0.2, "beta_2"] = 0.0
    axis = parallel_coordinates(grid).data[0].dimensions[1]
    assert axis.ticktext[0] == "0"
    assert axis.tickvals[0] == axis["values"].min() == axis.range[0]
    assert np.isfinite(axis["values"]).all()


def test_a_path_is_a_run_epoch_by_epoch(grid: pd.DataFrame) -> None:
    histories = paths(grid, epochs=5).sample(frac=1, random_state=1)
    figure = training_paths(histories, grid)
    lines = [one for one in figure.data if one.mode == "lines" and one.ids is not None]
    drawn = pd.concat(pd.DataFrame({"run_id": one.ids, "x": one.x, "y": one.y}) for one in lines).dropna()
    assert len(drawn) == len(histories)
    for run_id, path in drawn.groupby("run_id"):
        own = histories[histories["run_id"] == run_id].sort_values("epoch")
        assert path["x"].tolist() == own["train/rate_1"].tolist()
        assert path["y"].tolist() == own["train/rate_2"].tolist()
    (ends,) = [one for one in figure.data if one.name == "end of training" and one.ids is not None]
    last = histories[histories["epoch"] == 5].set_index("run_id")["train/rate_1"]
    np.testing.assert_array_equal(ends.x, last.loc[list(ends.ids)])
    assert figure.layout.xaxis.title.text == "training rate R<sub>1</sub> [nats per image]"


def test_paths_without_their_runs_have_one_colour(grid: pd.DataFrame) -> None:
    histories = paths(grid, epochs=5)
    (lines,) = [one for one in training_paths(histories).data if one.mode == "lines" and one.ids is not None]
    assert set(lines.ids) == {*grid["run_id"]}
    assert lines.line.color == style.LINE
    one = training_paths(paths(grid_frame(3, layers=1)).drop(columns="train/rate_2", errors="ignore"))
    assert one.layout.yaxis.title.text.startswith("training distortion")


def test_a_failed_run_ends_in_a_cross_and_strangers_are_left_out(grid: pd.DataFrame) -> None:
    histories = paths(grid)
    grid.loc[3, "status"] = "FAILED"
    figure = training_paths(histories, grid.iloc[:10])
    ends = {one.name: list(one.ids) for one in figure.data if one.mode == "markers" and one.customdata is not None}
    assert ends["failed"] == [grid["run_id"][3]]
    assert len(ends["end of training"]) == 9


def test_histories_without_the_rates_are_refused(grid: pd.DataFrame) -> None:
    histories = paths(grid)
    with pytest.raises(StoreError, match="got none called train/rate_2"):
        training_paths(histories.drop(columns="train/rate_2"), grid)
    with pytest.raises(StoreError, match=r"analysis\.histories\(frame\)"):
        training_paths(grid)
    with pytest.raises(StoreError, match="two epochs of a run"):
        training_paths(histories[histories["epoch"] == 1], grid)


@pytest.mark.parametrize(("side", "layers"), [(1, 1), (1, 2), (4, 1), (3, 2), (2, 3)])
def test_they_render_from_any_number_of_runs(side: int, layers: int) -> None:
    frame = grid_frame(side, layers=layers)
    histories = paths(frame)
    for layer in range(3, layers + 1):
        histories[f"train/rate_{layer}"] = histories["train/rate_1"]
    for theme in style.THEMES:
        assert small_multiples(frame, ["test/psnr"], theme=theme).data
        assert parallel_coordinates(frame, theme=theme).data
        assert training_paths(histories, frame, theme=theme).data
