"""Where things are in the report: the map first, no empty width, a panel that comes along, and axes that fit."""

import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.report import write
from tests.commands import PATIENCE_SECONDS
from tests.frames import drawing, grid_frame, paths, with_samples

OpenTab = Callable[..., Any]
MAP = ".map .plot"
PARALLEL = ".parallel"


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """25 runs without scores of samples, one of which failed."""
    runs = grid_frame(5)
    runs["status_reason"] = runs["status_reason"].astype(object)
    runs.loc[3, ["status", "status_reason"]] = ["FAILED", "diverged in epoch 3"]
    return runs


@pytest.fixture(scope="module")
def report(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their report."""
    return write(frame, tmp_path_factory.mktemp("report") / "report.html", histories=paths, pictures=drawing)


def opened(open_tab: OpenTab, report: Path, **options: Any) -> Any:
    """A window on the report whose rate space is drawn."""
    tab = open_tab(report, **options)
    tab.until(f"document.querySelector('{MAP}').classList.contains('js-plotly-plot')")
    return tab


def box(tab: Any, selector: str) -> dict[str, float]:
    """Where the first such element is in the window."""
    return dict(tab.page.locator(selector).first.bounding_box())


def to_parallel(tab: Any) -> None:
    """Bring parallel coordinates into the window; pictures above them grow when they are drawn."""
    drawn = f"document.querySelector('{PARALLEL}') !== null"
    inside = f"document.querySelector('{PARALLEL}').getBoundingClientRect().bottom <= innerHeight"
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not tab.page.evaluate(drawn):
        assert time.monotonic() < deadline, "parallel coordinates are not drawn"
        tab.page.locator('.plot[data-name="test-rate"]').last.scroll_into_view_if_needed()
        tab.page.mouse.wheel(0, 200)  # they lie below it
        tab.page.wait_for_timeout(100)
    while not tab.page.evaluate(inside):
        assert time.monotonic() < deadline, "parallel coordinates do not come into the window"
        tab.page.evaluate(f"document.querySelector('{PARALLEL}').scrollIntoView({{block: 'center'}})")
        tab.page.wait_for_timeout(100)


def selected(tab: Any) -> set[str]:
    """Names in the table, of which this many runs fit one page."""
    return {*tab.page.locator(".runs tbody td:first-child").all_text_contents()}


def test_the_map_is_on_the_first_screen_and_what_is_missing_below(open_tab: OpenTab, report: Path) -> None:
    tab = opened(open_tab, report, width=1280, height=900)
    there = box(tab, MAP)
    assert there["height"] >= 320
    assert there["y"] + there["height"] <= 900
    note = tab.page.get_by_text("No recommendation for generation").first.bounding_box()
    assert note["y"] > there["y"] + there["height"]
    assert tab.page.get_by_text("diverged in epoch 3").is_hidden(), "failed runs are told when asked for"


def test_below_the_map_the_whole_width_is_used_and_the_panel_comes_along(
    open_tab: OpenTab, report: Path, frame: pd.DataFrame
) -> None:
    tab = opened(open_tab, report)
    assert box(tab, ".gallery")["width"] >= 0.97 * box(tab, "main")["width"]
    row = tab.page.locator(".runs tbody tr").nth(2)
    row.scroll_into_view_if_needed()
    assert tab.page.locator("aside.run").is_visible()
    assert "afloat" not in tab.page.locator("aside.run").get_attribute("class"), "nothing is pointed at"
    row.hover()
    tab.until("document.querySelector('aside.run').classList.contains('afloat')")
    assert tab.page.locator("aside.run h4").text_content() == frame["run_name"][2]
    there = box(tab, "aside.run")
    assert 0 <= there["y"] < there["y"] + there["height"] <= 900
    tab.page.mouse.move(5, 5)
    tab.until("!document.querySelector('aside.run').classList.contains('afloat')")


def test_rates_that_span_decades_have_logarithmic_axes_by_themselves(
    open_tab: OpenTab, tmp_path: Path, report: Path
) -> None:
    assert opened(open_tab, report).page.locator("select.scale").input_value() == "linear"
    piled = grid_frame(5)
    piled["test/rate_1"] = np.geomspace(0.3, 200, len(piled))
    piled["test/rate_2"] = np.geomspace(40, 1, len(piled))
    piled.loc[[3, 4], "test/rate_2"] = [1e-4, 0.0]
    tab = opened(open_tab, write(piled, tmp_path / "report.html"))
    axis = f"document.querySelector('{MAP}')._fullLayout.yaxis"
    assert tab.page.locator("select.scale").input_value() == "log"
    assert tab.page.evaluate(f"{axis}.type") == "log"
    where = """([x, y]) => {
        const plot = document.querySelector('.map .plot'), box = plot.getBoundingClientRect();
        const { xaxis, yaxis } = plot._fullLayout;
        return [box.left + xaxis._offset + xaxis.d2p(x), box.top + yaxis._offset + yaxis.d2p(y)];
    }"""
    # A brush that reaches the lower end of the axis holds the runs that are below it.
    tab.page.mouse.move(*tab.page.evaluate(where, [0.35, 0.5]))
    tab.page.mouse.down()
    tab.page.mouse.move(*tab.page.evaluate(where, [3.0, 0.05]), steps=4)
    tab.page.mouse.move(*tab.page.evaluate(where, [30.0, 0.0187]), steps=4)
    tab.page.mouse.up()
    tab.until("document.querySelector('.region output').textContent.includes('selected')")
    assert selected(tab) == {*piled["run_name"][[3, 4]]}
    tab.page.locator("select.scale").select_option("linear")
    tab.until(f"{axis}.type === 'linear'")
    assert selected(tab) == {*piled["run_name"][[3, 4]]}, "the region stays"
    assert tab.errors == []


def test_the_mark_of_the_best_run_leaves_its_colour_to_be_seen(open_tab: OpenTab, report: Path) -> None:
    tab = opened(open_tab, report)
    marks = f"document.querySelector('{MAP}').data.filter((one) => one.name?.startsWith('best for'))"
    assert tab.page.evaluate(f"{marks}.map((one) => one.marker.symbol)") == ["circle-open"]


def test_a_brush_on_a_parallel_axis_selects_everywhere(open_tab: OpenTab, report: Path, frame: pd.DataFrame) -> None:
    tab = opened(open_tab, report, height=1200)
    to_parallel(tab)
    strips = tab.page.locator(f"{PARALLEL} .strip")
    titles = tab.page.locator(f"{PARALLEL} button")
    names = titles.all_text_contents()
    at = names.index("PSNR [dB]")
    there = strips.nth(at).bounding_box()
    x = there["x"] + there["width"] / 2
    done = frame[frame["status"] == "FINISHED"]
    low, high = done["test/psnr"].min(), done["test/psnr"].max()
    tab.page.mouse.move(x, there["y"] + there["height"] / 2)
    tab.page.mouse.down()
    tab.page.mouse.move(x, there["y"] - 2, steps=5)
    tab.page.mouse.up()
    upper = done[done["test/psnr"] >= (low + high) / 2]
    tab.until("document.querySelector('.region output').textContent.includes('selected')")
    assert selected(tab) == {*upper["run_name"]}
    # By keys: the upper half less a tenth of the axis, then all again.
    titles.nth(at).press("ArrowUp")
    assert selected(tab) == {*done.loc[done["test/psnr"] >= low + 0.6 * (high - low), "run_name"]}
    titles.nth(at).press("Escape")
    assert len(selected(tab)) == len(frame)
    titles.nth(at).press("ArrowLeft")
    assert titles.all_text_contents() == [*names[: at - 1], names[at], names[at - 1], *names[at + 1 :]]
    # An axis of rate space is the region's.
    titles.nth(names.index("R1[nats]")).press("ArrowUp")
    assert float(tab.page.locator("[data-end=x0]").input_value()) > done["test/rate_1"].min()
    tab.page.locator(".region .clear").click()
    assert len(selected(tab)) == len(frame)
    assert tab.errors == []


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on nine runs with scores of samples: as many parallel axes as there can be."""
    return write(with_samples(grid_frame(3)), tmp_path_factory.mktemp("sampled") / "report.html")


@pytest.mark.parametrize("width", [360, 900, 1280])
def test_titles_of_parallel_axes_are_apart_from_each_other_and_from_ticks(
    open_tab: OpenTab, sampled: Path, width: int
) -> None:
    tab = opened(open_tab, sampled, width=width)
    to_parallel(tab)
    boxes = f"[...document.querySelectorAll('{PARALLEL} %s')].map((one) => one.getBoundingClientRect().toJSON())"
    titles, ticks = (tab.page.evaluate(boxes % part) for part in ("button", "text"))
    assert len(titles) == 9
    assert all(one["right"] <= other["left"] for one, other in itertools.pairwise(titles))
    assert max(title["bottom"] for title in titles) <= min(tick["top"] for tick in ticks)
    frame = tab.page.evaluate(f"document.querySelector('{PARALLEL}').getBoundingClientRect().toJSON()")
    assert all(frame["top"] <= title["top"] for title in titles)
