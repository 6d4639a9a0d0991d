"""Measured bits and PSNR of runs, their hull, and what stands beside them."""

import math

import numpy as np
import pandas as pd
import pytest

from analysis import figures
from analysis.figures import common
from analysis.rate_distortion import coded_points, file_curves, front
from analysis.report.coding_table import coding_table
from analysis.settings import Setting, settings
from hit.errors import StoreError
from hit.schema import LOSSY_STEPS
from tests.frames import grid_frame, with_coding


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    one = with_coding(grid_frame(3))
    one.index = pd.RangeIndex(5, 5 + len(one))  # as a part of a larger frame is numbered
    return one


def test_every_point_is_its_runs(frame: pd.DataFrame) -> None:
    figure = figures.rate_distortion(frame)
    by_run = frame.set_index("run_id")
    shades = pd.Series(common.ratio_colors(frame)[0].to_numpy(), index=frame["run_id"])
    found = [trace for trace in figure.data if trace.ids is not None]
    assert [trace.name for trace in found] == ["R", *(f"step {step}" for step in LOSSY_STEPS)]
    for trace, step in zip(found[1:], LOSSY_STEPS, strict=True):
        rows = by_run.loc[list(trace.ids)]
        assert len(rows) == len(frame)
        np.testing.assert_allclose(trace.x, rows[f"test/lossy_bits_step_{step}"])
        np.testing.assert_allclose(trace.y, rows[f"test/lossy_psnr_step_{step}"])
        np.testing.assert_allclose(trace.marker.color, shades[list(trace.ids)])
    np.testing.assert_allclose(found[0].x, by_run.loc[list(found[0].ids), "test/rate"] / math.log(2))


def test_the_hull_lies_above_every_point_and_files_stand_beside(frame: pd.DataFrame) -> None:
    traces = {trace.name: trace for trace in figures.rate_distortion(frame).data}
    hull = traces["hull of all codes"]
    for one in coded_points(frame):
        assert (np.interp(one.bits, hull.x, hull.y) >= one.psnr - 1e-9).all()
    assert len(front(frame).bits) >= len(hull.x)
    assert set(file_curves(frame)) == {"JPEG", "WebP"} <= set(traces)
    assert list(traces["PNG, without loss"].x) == [300.0, 300.0]


def test_settings_on_the_same_images_compare_by_bjontegaard_deltas(frame: pd.DataFrame) -> None:
    lvae = with_coding(grid_frame(3, model="lvae"), share=1.25)
    others = settings(pd.concat([frame, lvae], ignore_index=True))
    one = next(setting for setting in others if "LVAE" not in setting.title)
    made = coding_table(one, others)
    assert made is not None
    table = {name: (rate, psnr) for name, rate, psnr in made.rows}
    (name,) = [name for name in table if "LVAE" in name]
    assert table[name][0] == "−20 %"
    assert "R and −10 bits in the median" in made.excess
    lvae["test/png_bits"] = 301.0
    elsewhere = coding_table(one, [one, Setting("other", {}, lvae, 2)])
    assert elsewhere is not None
    assert [name for name, *_ in elsewhere.rows] == ["JPEG", "WebP"]


def test_without_the_group_a_command_measures_it() -> None:
    plain = grid_frame(2)
    with pytest.raises(StoreError, match="--metrics rate_distortion"):
        figures.rate_distortion(plain)
    assert coding_table(settings(plain)[0], ()) is None
