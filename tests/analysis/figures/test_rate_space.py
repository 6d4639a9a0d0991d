"""A figure's numbers are the frame's numbers."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from analysis import bounds
from analysis.figures import beta_heatmap, common, metric_against_rate, rate_space, style, targets
from analysis.recommendation.recommender import APPLICATIONS, recommend
from hit import schema
from hit.config.rates.rate_region import RateRegion
from hit.errors import StoreError
from hit.metrics.bounds import accuracy_bound

MakeFrame = Callable[..., pd.DataFrame]
ACCURACY = "test/accuracy_svm_rbf_z2"


def trace(figure: go.Figure, name: str) -> Any:
    """The only trace of this name."""
    (found,) = [one for one in figure.data if one.name == name]
    return found


def test_rate_space_shows_every_finished_run(grid: pd.DataFrame) -> None:
    grid.loc[0, "status"] = "FAILED"
    runs = trace(rate_space(grid, "test/psnr"), "run")
    np.testing.assert_array_equal(runs.x, grid["test/rate_1"][1:])
    np.testing.assert_array_equal(runs.y, grid["test/rate_2"][1:])
    np.testing.assert_array_equal(runs.marker.color, grid["test/psnr"][1:])


def test_rate_space_marks_equal_betas_in_their_order_and_the_elbo(grid: pd.DataFrame) -> None:
    figure = rate_space(grid.sample(frac=1, random_state=1), "test/psnr")
    equal = grid[grid["beta_1"] == grid["beta_2"]].sort_values("beta_1")
    np.testing.assert_array_equal(trace(figure, "β<sub>1</sub> = β<sub>2</sub>").x, equal["test/rate_1"])
    star = trace(figure, "all β = 1")
    unit = grid[(grid["beta_1"] == 1) & (grid["beta_2"] == 1)]
    np.testing.assert_array_equal(star.x, unit["test/rate_1"])
    np.testing.assert_array_equal(star.y, unit["test/rate_2"])


def test_lines_of_equal_total_rate_are_labelled_with_it(grid: pd.DataFrame) -> None:
    figure = rate_space(grid, "test/psnr")
    labels = [float(note.text.removeprefix("R = ")) for note in figure.layout.annotations]
    assert len(labels) > 2
    assert [note.x + note.y for note in figure.layout.annotations] == pytest.approx(labels)
    line = figure.data[0]
    ends = [x + y for x, y in zip(line.x, line.y, strict=True) if x is not None]
    assert set(labels) <= set(np.round(ends, 6))


def test_axes_bear_the_label_and_the_unit_of_the_schema(grid: pd.DataFrame) -> None:
    figure = rate_space(grid, "test/psnr")
    for text, name in (
        (figure.layout.xaxis.title.text, "test/rate_1"),
        (figure.layout.yaxis.title.text, "test/rate_2"),
        (figure.layout.coloraxis.colorbar.title.text, "test/psnr"),
    ):
        assert text == style.markup(schema.metric(name).axis)
    assert figure.layout.xaxis.title.text == "R<sub>1</sub> [nats per image]"


def test_brighter_is_better(grid: pd.DataFrame) -> None:
    rising = rate_space(grid, "test/psnr").layout.coloraxis.colorscale
    falling = rate_space(grid, "test/distortion").layout.coloraxis.colorscale
    assert [color for _, color in rising] == [color for _, color in reversed(falling)]


def test_a_run_says_its_numbers_under_the_pointer(grid: pd.DataFrame) -> None:
    runs = trace(rate_space(grid, "test/psnr"), "run")
    row = grid.iloc[7]
    names = ["beta_1", "beta_2", "test/rate_1", "test/rate_2", "test/rate", "test/distortion", "test/psnr"]
    assert list(runs.customdata[7]) == [row["run_name"], *(style.number(row[name]) for name in names)]
    assert "PSNR = %{customdata[7]} dB" in runs.hovertemplate


def test_standard_errors_are_told_and_drawn_where_they_are_known(grid: pd.DataFrame) -> None:
    grid["test/psnr_standard_error"] = 0.1234
    grid.loc[7, "test/psnr_standard_error"] = np.nan
    runs = trace(rate_space(grid, "test/psnr"), "run")
    assert runs.customdata[6][7] == f"{style.number(grid['test/psnr'][6])} ± 0.12"
    assert runs.customdata[7][7] == style.number(grid["test/psnr"][7])
    drawn = trace(metric_against_rate(grid, "test/psnr"), "test/psnr")
    np.testing.assert_array_equal(drawn.error_y.array, grid["test/psnr_standard_error"])
    assert trace(metric_against_rate(grid, "test/distortion"), "test/distortion").error_y.array is None


def test_accuracies_have_the_errors_of_the_images_that_they_rest_on(grid: pd.DataFrame) -> None:
    name = "test/accuracy_svm_rbf_z2"
    grid = grid.assign(**{name: 0.5, f"{name}_sampled": 0.4, "test/held_out": 72.0})
    figure = metric_against_rate(grid, name)
    for drawn in (trace(figure, name), trace(figure, f"{name}_sampled")):
        assert np.all((drawn.error_y.array > 0.05) & (drawn.error_y.array < 0.06))


def test_names_from_the_store_are_inert(grid: pd.DataFrame) -> None:
    grid["run_name"] = '<a href="javascript:alert(1)">x</a>'
    grid["dataset"] = "data/<b>d"
    figure = rate_space(grid, "test/psnr")
    assert trace(figure, "run").customdata[0][0] == '&lt;a href="javascript:alert(1)"&gt;x&lt;/a&gt;'
    assert figure.layout.title.text == "PSNR over rate space · &lt;b&gt;d"


def test_a_metric_stands_over_the_total_rate(grid: pd.DataFrame) -> None:
    figure = metric_against_rate(grid, "test/psnr")
    np.testing.assert_allclose(trace(figure, "test/psnr").x, grid["test/rate"])
    np.testing.assert_array_equal(trace(figure, "test/psnr").y, grid["test/psnr"])
    np.testing.assert_allclose(trace(figure, "test/psnr").marker.color, np.log10(grid["beta_2"] / grid["beta_1"]))
    assert figure.layout.xaxis.title.text == "total rate R [nats per image]"


def test_an_accuracy_of_the_top_latent_stands_over_its_rate_under_its_bound(grid: pd.DataFrame) -> None:
    figure = metric_against_rate(grid, ACCURACY)
    np.testing.assert_array_equal(trace(figure, ACCURACY).x, grid["test/rate_2"])
    np.testing.assert_array_equal(trace(figure, f"{ACCURACY}_sampled").y, grid[f"{ACCURACY}_sampled"])
    assert trace(figure, ACCURACY).marker.symbol != trace(figure, f"{ACCURACY}_sampled").marker.symbol
    line = trace(figure, "bound")
    for rate, bound in list(zip(line.x, line.y, strict=True))[::20]:
        assert bound == pytest.approx(accuracy_bound(float(rate), math.log(10), 10))
    assert line.x[0] == 0
    assert line.y[0] == pytest.approx(0.1)
    assert line.x[-1] == grid["test/rate_2"].max()


def test_an_accuracy_of_a_lower_latent_is_bounded_by_all_rates_from_there_up(make_frame: MakeFrame) -> None:
    frame = make_frame(3, layers=3)
    lowest = metric_against_rate(frame, "test/accuracy_knn_z1")
    np.testing.assert_allclose(trace(lowest, "test/accuracy_knn_z1").x, frame["test/rate"])
    middle = metric_against_rate(frame, "test/accuracy_knn_z2")
    rate = frame["test/rate_2"] + frame["test/rate_3"]
    np.testing.assert_allclose(trace(middle, "test/accuracy_knn_z2").x, rate)
    assert middle.layout.xaxis.title.text == "R<sub>2</sub> + R<sub>3</sub> [nats per image]"


def test_information_about_the_class_is_bounded_by_rate_and_entropy(grid: pd.DataFrame) -> None:
    line = trace(metric_against_rate(grid, "test/mi_z2"), "min(R, H(y))")
    np.testing.assert_allclose(line.y, np.minimum(line.x, math.log(10)))


def test_accuracies_without_samples_need_no_second_series(grid: pd.DataFrame) -> None:
    figure = metric_against_rate(grid.drop(columns=f"{ACCURACY}_sampled"), ACCURACY)
    assert f"{ACCURACY}_sampled" not in [one.name for one in figure.data]
    assert "on means" in figure.layout.yaxis.title.text


@pytest.mark.parametrize("count", [10, 13])
def test_the_number_of_classes_is_read_off_the_stored_bounds(grid: pd.DataFrame, count: int) -> None:
    entropy = 2.29  # three of the thirteen are rare
    grid["test/label_entropy"] = entropy
    grid["test/rate_2"] /= 20  # where the bound still bends
    grid["test/accuracy_bound_rate_z2"] = [accuracy_bound(rate, entropy, count) for rate in grid["test/rate_2"]]
    assert bounds.classes(grid, 2) == count
    assert bounds.classes(grid.drop(columns="test/accuracy_bound_rate_z2"), 2) == 10
    grid["classes"] = [math.nan, *[26.0] * (len(grid) - 1)]
    assert bounds.classes(grid, 2) == 26, "what a run has logged needs no reading off"


def test_a_beta_of_zero_has_the_colour_at_the_end(grid: pd.DataFrame) -> None:
    grid.loc[grid["beta_2"] < 0.2, "beta_2"] = 0.0
    shades, axis = common.ratio_colors(grid)
    assert shades[grid["beta_2"] == 0].tolist() == [axis["cmin"]] * 5
    assert np.isfinite(shades).all()


def test_targets_show_a_region_and_a_run_for_each_application(grid: pd.DataFrame) -> None:
    grid["sample/inception_score"] = 9 - grid["test/rate"] / 20
    found = [recommend(grid, declared) for declared in APPLICATIONS]
    figure = targets(grid, found)
    for one in found:
        best = trace(figure, one.application.name)
        assert (best.x[0], best.y[0]) == (one.run["test/rate_1"], one.run["test/rate_2"])
    assert len([one for one in figure.data if one.fill == "toself"]) == len(found)


def test_a_region_is_a_box_cut_at_its_total_rates() -> None:
    x, y = common.region_outline(RateRegion((0.0, 0.0), (4.0, 2.0), total_low=1.0, total_high=5.0), (1, 2))
    corners = {(round(a, 9), round(b, 9)) for a, b in zip(x, y, strict=True)}
    assert corners == {(1, 0), (4, 0), (4, 1), (3, 2), (0, 2), (0, 1)}
    assert (x[0], y[0]) == (x[-1], y[-1])


def test_a_region_of_one_run_is_its_point() -> None:
    x, y = common.region_outline(RateRegion((3.0, 2.0), (3.0, 2.0), total_low=5.0, total_high=5.0), (1, 2))
    assert set(zip(x, y, strict=True)) == {(3.0, 2.0)}


def test_one_layer_is_drawn_in_the_plane_of_rate_and_distortion(make_frame: MakeFrame) -> None:
    frame = make_frame(7, layers=1)
    figure = rate_space(frame, "test/psnr")
    np.testing.assert_array_equal(trace(figure, "run").y, frame["test/distortion"])
    assert figure.layout.yaxis.title.text == "distortion D [nats per image]"
    assert all(note.text.startswith("−ELBO = ") for note in figure.layout.annotations)
    assert len(targets(frame, [recommend(frame, "density")]).layout.shapes) == 1


def test_three_layers_show_two_of_them(make_frame: MakeFrame) -> None:
    frame = make_frame(3, layers=3)
    assert rate_space(frame, "test/psnr").layout.yaxis.title.text.startswith("R<sub>3</sub>")
    figure = rate_space(frame, "test/psnr", pair=(1, 2))
    np.testing.assert_array_equal(trace(figure, "run").y, frame["test/rate_2"])
    assert figure.layout.annotations[0].text.startswith("R<sub>1</sub> + R<sub>2</sub> = ")
    with pytest.raises(StoreError, match=r"pair must be two different layers of 1 to 3, got \(1, 4\)"):
        rate_space(frame, "test/psnr", pair=(1, 4))


@pytest.mark.parametrize("draw", [rate_space, metric_against_rate, beta_heatmap])
def test_figures_refuse_to_mix_data_sets(grid: pd.DataFrame, make_frame: MakeFrame, draw: Any) -> None:
    with pytest.raises(StoreError, match="one dataset"):
        draw(pd.concat([grid, make_frame(2, dataset="digits")]), "test/psnr")


@pytest.mark.parametrize("draw", [rate_space, metric_against_rate, beta_heatmap])
@pytest.mark.parametrize(("side", "layers"), [(1, 1), (1, 2), (1, 3), (4, 1), (3, 2), (2, 3)])
def test_every_figure_renders_from_any_number_of_runs(make_frame: MakeFrame, draw: Any, side: int, layers: int) -> None:
    for theme in style.THEMES:
        content = draw(make_frame(side, layers=layers), "test/psnr", theme=theme).to_plotly_json()
        assert content["layout"]["title"]["text"].endswith("binary_mnist")


def test_themes_differ_in_their_template_alone(grid: pd.DataFrame) -> None:
    light, dark = (rate_space(grid, "test/psnr", theme=theme) for theme in style.THEMES)
    assert light.layout.template != dark.layout.template
    assert light.update_layout(template=None) == dark.update_layout(template=None)


def test_rows_under_one_index_are_told_apart(grid: pd.DataFrame) -> None:
    doubled = pd.concat([grid, grid])
    assert len(trace(metric_against_rate(doubled, ACCURACY), ACCURACY).x) == 50


def test_an_open_region_is_a_dashed_outline_and_says_so(grid: pd.DataFrame) -> None:
    grid["test/psnr"] = np.random.default_rng(0).standard_normal(len(grid))
    found = recommend(grid, "reconstruction")
    assert found.is_open
    figure = targets(grid, [found])
    assert trace(figure, "reconstruction (open)")
    (outline,) = (one for one in figure.data if one.line.dash == "dash")
    assert outline.fill is None
    clear = targets(grid, [recommend(grid, "density")])
    assert not [one for one in clear.data if one.line.dash == "dash" and one.mode == "lines" and one.fill is None]
