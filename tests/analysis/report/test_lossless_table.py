"""Bits without loss beside rates: for the runs that were coded, layer by layer, or nothing."""

import math
from collections.abc import Callable

import pandas as pd
import pytest

from analysis.report import build
from analysis.report.lossless_table import lossless_table

MakeFrame = Callable[..., pd.DataFrame]


def _coded(frame: pd.DataFrame) -> pd.DataFrame:
    """The same with two of its runs coded."""
    made = frame.copy()
    two = made.index[:2]
    for at, name in enumerate(("bits_z1", "bits_z2", "bits_x", "bits"), 1):
        made.loc[two, f"test/{name}"] = [10.0 * at, 12.0 * at]
    made.loc[two, "test/initial_bits"] = 0.5
    made.loc[two, "test/coding_overhead"] = [0.001, -0.002]
    made.loc[two, "test/coding_overhead_z2"] = 0.003
    return made


def test_layers_stand_from_the_top_down_beside_their_rates(make_frame: MakeFrame) -> None:
    frame = _coded(make_frame(2))
    table = lossless_table(frame)
    assert table is not None
    assert (table.runs, table.unit, table.initial) == (2, "bits per image", "0.5")
    assert [str(row[0]) for row in table.rows] == ["z<sub>2</sub>", "z<sub>1</sub>", "x given z<sub>1</sub>", "all"]
    assert [row[1] for row in table.rows] == ["22", "11", "33", "44"]
    assert [row[3] for row in table.rows] == ["+0.30 %", "", "", "−0.20 % to +0.10 %"]
    rate = frame["test/rate_2"].iloc[:2].mean() / math.log(2)
    assert float(table.rows[0][2]) == pytest.approx(rate, rel=1e-3)


def test_the_page_has_it_only_where_runs_were_coded(make_frame: MakeFrame, bare: None) -> None:
    frame = make_frame(2)
    assert lossless_table(frame) is None
    assert "without loss" not in build(frame, applications=["density"])
    page = build(_coded(frame), applications=["density"])
    assert "Images as bits, without loss" in page
    assert "−0.20 % to +0.10 %" in page
