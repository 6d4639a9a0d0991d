"""Rates on logarithmic axes: what is where, and when."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.figures import (
    beta_heatmap,
    logarithmic,
    metric_against_rate,
    rate_space,
    rate_space_3d,
    small_multiples,
    targets,
    training_paths,
)
from analysis.figures.scales import spans_decades
from analysis.recommendation.recommender import recommend
from hit.config.rates.rate_region import RateRegion
from tests.commands import ROOT
from tests.frames import grid_frame, paths

RATES = ["test/rate_1", "test/rate_2"]


@pytest.fixture
def piled(grid: pd.DataFrame) -> pd.DataFrame:
    """Runs whose rates lie decades apart, two of them collapsed."""
    grid["test/rate_1"] = np.geomspace(0.3, 200, len(grid))
    grid["test/rate_2"] = np.geomspace(40, 1, len(grid))
    grid.loc[[3, 4], "test/rate_2"] = [1e-4, 0.0]
    return grid


def test_they_are_chosen_where_runs_pile_up(grid: pd.DataFrame) -> None:
    assert not spans_decades(grid, RATES)
    table = pd.read_csv(ROOT / "tests/data/digits_surface.csv").rename(columns=lambda name: f"test/{name}")
    assert spans_decades(table, RATES)
    assert not spans_decades(grid.iloc[:0], RATES)


def test_a_run_stands_at_its_rates_or_at_the_lower_end(piled: pd.DataFrame) -> None:
    plain = rate_space(piled, "test/psnr")
    figure = logarithmic(plain)
    (runs,) = [one for one in figure.data if one.name == "run"]
    np.testing.assert_array_equal(runs.x, piled["test/rate_1"])
    floor = figure.layout.meta["floors"]["y"]
    assert floor == pytest.approx(0.02)
    np.testing.assert_array_equal(runs.y, piled["test/rate_2"].clip(lower=floor))
    axes = figure.layout.xaxis, figure.layout.yaxis
    assert {axis.type for axis in axes} == {"log"}
    for axis, numbers in zip(axes, (runs.x, runs.y), strict=True):
        assert axis.range[0] < np.log10(min(numbers)) < np.log10(max(numbers)) < axis.range[1]
    assert axes[1].ticktext[0] == "≤0.02"
    assert axes[0].ticktext[0] == "0.3"
    assert plain.layout.xaxis.type is None, "the figure that was given stays"


def test_lines_of_equal_total_are_curves_through_it(piled: pd.DataFrame) -> None:
    figure = logarithmic(rate_space(piled, "test/psnr"))
    totals = [float(note.text.removeprefix("R = ")) for note in figure.layout.annotations]
    assert {1, 3, 10, 30, 100} <= {*totals}
    (lines,) = [one for one in figure.data if one.meta and "totals" in one.meta]
    sums = (lines.x + lines.y)[~np.isnan(lines.x)]
    assert {*np.round(sums, 6)} == {*totals}
    places = [10**note.x + 10**note.y for note in figure.layout.annotations]
    assert places == pytest.approx(totals)


def test_one_layer_has_one_axis_of_rates() -> None:
    figure = logarithmic(rate_space(grid_frame(7, layers=1), "test/psnr"))
    assert (figure.layout.xaxis.type, figure.layout.yaxis.type) == ("log", None)
    assert len(figure.layout.annotations) > 2


def test_every_axis_of_rates_follows(piled: pd.DataFrame) -> None:
    scene = logarithmic(rate_space_3d(piled, "test/psnr")).layout.scene
    assert (scene.xaxis.type, scene.yaxis.type, scene.zaxis.type) == ("log", "log", None)
    against = logarithmic(metric_against_rate(piled, "test/psnr")).layout
    assert (against.xaxis.type, against.yaxis.type) == ("log", None)
    panels = logarithmic(small_multiples(piled, ["test/psnr", "test/elbo"])).layout
    assert {panels[name].type for name in ("xaxis", "xaxis2", "yaxis", "yaxis2")} == {"log"}
    for figure in (targets(piled), training_paths(paths(piled), piled)):
        assert logarithmic(figure).layout.xaxis.type == "log"
    assert logarithmic(beta_heatmap(piled, "test/psnr")) == beta_heatmap(piled, "test/psnr")


def test_runs_without_a_rate_stay_where_they_are(grid: pd.DataFrame) -> None:
    figure = rate_space(grid.assign(**dict.fromkeys(RATES, 0.0)), "test/psnr")
    assert logarithmic(figure) == figure


@pytest.mark.parametrize("layers", [1, 2])
def test_a_region_from_zero_reaches_the_lower_end(layers: int) -> None:
    frame = grid_frame(7, layers=layers)
    found = recommend(frame, "density")
    open_below = replace(found, region=RateRegion((0.0,) * layers, found.region.high, 0.0, found.region.total_high))
    figure = logarithmic(targets(frame, [open_below]))
    end = 10 ** figure.layout.xaxis.range[0]
    sides = [shape.x0 for shape in figure.layout.shapes]
    sides += [x for trace in figure.data if trace.mode == "lines" and not trace.meta for x in trace.x]
    assert min(sides) > 0, "zero has no place on a logarithmic axis, and would tear the outline"
    assert end in sides
