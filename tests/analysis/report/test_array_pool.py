"""What a page holds of figures is what the figures hold."""

import base64
import json
from typing import Any

import numpy as np
import pandas as pd

from analysis.figures import beta_heatmap, metric_against_rate, rate_space
from analysis.report.array_pool import Pool, embedded


def array(pool: Pool, packed: dict[str, int]) -> Any:
    kind, data = pool.content[packed["pool"]]
    return np.frombuffer(base64.b64decode(data), dtype=kind)


def test_figures_share_their_arrays(grid: pd.DataFrame) -> None:
    frame = pd.concat([grid, grid.assign(run_id=grid["run_id"] + "b")], ignore_index=True)
    pool = Pool(frame["run_id"])
    first = pool.figure(rate_space(frame, "test/psnr"))
    known = len(pool.content)
    second = pool.figure(rate_space(frame, "test/elbo"))
    assert len(pool.content) == known + 1, "only the colours are new"
    (runs,) = [trace for trace in second["data"] if "rows" in trace]
    np.testing.assert_allclose(array(pool, runs["x"]), frame["test/rate_1"], rtol=1e-6)
    assert runs["x"] == next(trace for trace in first["data"] if "rows" in trace)["x"]
    assert json.loads(str(embedded(second)))["data"][1]["rows"] == runs["rows"]


def test_runs_are_rows_of_the_table_and_say_their_columns(grid: pd.DataFrame) -> None:
    grid.loc[0, "status"] = "FAILED"
    pool = Pool(grid["run_id"])
    drawn = pool.figure(metric_against_rate(grid, "test/psnr"))
    (runs,) = [trace for trace in drawn["data"] if "rows" in trace]
    assert array(pool, runs["rows"]).tolist() == [*range(1, 25)]
    assert "customdata" not in runs
    assert "test/psnr" in runs["meta"]["says"]


def test_cells_hold_the_rows_of_their_runs(grid: pd.DataFrame) -> None:
    drawn = Pool(grid["run_id"]).figure(beta_heatmap(grid, "test/psnr"))
    (cells,) = [trace for trace in drawn["data"] if trace["type"] == "heatmap"]
    for line, rows in zip(cells["z"], cells["meta"]["runs"], strict=True):
        for value, (row,) in zip(line, rows, strict=True):
            assert value == grid["test/psnr"][row]


def test_json_cannot_leave_its_element() -> None:
    text = str(embedded({"name": "</script><!-- \u2028 &"}))
    assert not set(text) & set("<>&\u2028")
    assert json.loads(text) == {"name": "</script><!-- \u2028 &"}
