"""Small copies: of which runs, how large, and of nothing that is no picture."""

import base64
import io

import numpy as np
import pandas as pd
from PIL import Image

from analysis.report.thumbnails import chosen, thumbnails
from tests.frames import drawing, grid_frame


def test_those_named_come_first_and_the_others_spread(grid: pd.DataFrame) -> None:
    names = [*grid["run_id"][[12, 3]]]
    order = chosen(grid, names)
    assert order[:2] == names
    assert sorted(order) == sorted(grid["run_id"])
    few = grid_frame(9)
    places = few.set_index("run_id").loc[chosen(few, [], most=8), ["test/rate_1", "test/rate_2"]]
    spread = places.max() - places.min()
    whole = few[["test/rate_1", "test/rate_2"]].max() - few[["test/rate_1", "test/rate_2"]].min()
    assert (spread / whole > 0.95).all()


def test_runs_without_rates_have_no_place(grid: pd.DataFrame) -> None:
    grid.loc[4, "test/rate_1"] = np.nan
    assert len(chosen(grid, [grid["run_id"][4]])) == 24
    assert chosen(grid.iloc[:0], []) == []


def test_copies_are_small_and_of_the_first_rows() -> None:
    found = thumbnails(["0" * 32], drawing)
    for content in found["0" * 32]:
        assert content is not None
        assert len(content) < 8000
        with Image.open(io.BytesIO(base64.b64decode(content))) as picture:
            assert picture.size == (291, 116), "ten images of 28 pixels in four rows, a pixel each"


def test_there_is_an_end_to_the_room(grid: pd.DataFrame) -> None:
    ids = [*grid["run_id"]]
    size = sum(len(content or "") for content in thumbnails(ids[:1], drawing)[ids[0]])
    found = thumbnails(ids, drawing, room=4 * size)
    assert 1 <= len(found) <= 6
    assert [*found] == ids[: len(found)]


def test_what_is_no_picture_is_left_out() -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "GIF")
    for content in (None, b"", b"<svg onload=alert(1)>", out.getvalue(), b"\x89PNG\r\n\x1a\n" + bytes(40)):
        assert thumbnails(["1" * 32], lambda run_id, artifact, content=content: content) == {}
