"""The report of three and of six layers: which rates are on the axes, and the rates of all layers at once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.recommendation.recommender import recommend
from analysis.report import section, write
from tests.frames import grid_frame

OpenTab = Callable[..., Any]
MAP = "document.querySelector('.map .plot')"
PROFILE = "document.querySelector('.profile .plot')"
ASKED = ("reconstruction", "test/psnr:1,test/rate:-0.5")


@pytest.fixture(scope="module")
def three() -> pd.DataFrame:
    """27 runs of three layers."""
    return grid_frame(3, layers=3)


@pytest.fixture(scope="module")
def reports(three: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Reports of three and of six layers, without galleries."""
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(section, "galleries", lambda *arguments: [])
        return {
            3: write(three, folder / "3.html", applications=ASKED),
            6: write(grid_frame(2, layers=6), folder / "6.html", applications=ASKED[:1]),
        }


def opened(open_tab: OpenTab, report: Path, **options: Any) -> Any:
    """A window on the report whose rate space and profile are drawn."""
    tab = open_tab(report, **options)
    for plot in (MAP, PROFILE):
        tab.page.evaluate(f"{plot}.scrollIntoView()")
        tab.until(f"{plot}.classList.contains('js-plotly-plot')")
    return tab


def axes(tab: Any) -> list[str]:
    """Titles of the axes of rate space."""
    return list(tab.page.evaluate(f"[{MAP}.layout.xaxis.title.text, {MAP}.layout.yaxis.title.text]"))


def turned(tab: Any, across: int, up: int) -> None:
    """Wait until these rates are on the axes."""
    for axis, layer in (("xaxis", across), ("yaxis", up)):
        tab.until(f"{MAP}.layout.{axis}.title.text.startsWith('R<sub>{layer}</sub>')")


def test_a_switch_chooses_the_rates_on_the_axes(
    open_tab: OpenTab, reports: dict[int, Path], three: pd.DataFrame
) -> None:
    tab = opened(open_tab, reports[3])
    turned(tab, 1, 3)
    tab.page.locator("select.up").select_option("test/rate_2")
    turned(tab, 1, 2)
    assert tab.page.locator("[data-end=y0]").locator("xpath=../..").text_content().strip().startswith("R2 ")
    tab.page.locator("select.across").select_option("test/rate_2")
    turned(tab, 2, 3)
    assert tab.page.locator("select.up").input_value() == "test/rate_3", "the higher layer is up"
    points = tab.page.evaluate(f"(({{x, y}}) => [[...x], [...y]])({MAP}.data.find((one) => one.rows))")
    for found, layer in zip(points, (2, 3), strict=True):
        assert found == pytest.approx(list(three[f"test/rate_{layer}"]), rel=1e-5)
    region = recommend(three, ASKED[0]).region
    outline = tab.page.evaluate(f"{MAP}.data.find((one) => one.name?.startsWith('region to target')).x")
    assert (min(outline), max(outline)) == pytest.approx((region.low[1], region.high[1]))
    tab.page.locator("select.scale").select_option("log")
    tab.until(f"{MAP}.layout.xaxis.type === 'log'")
    turned(tab, 2, 3)
    tab.page.locator("select.across").focus()
    tab.page.keyboard.press("ArrowUp")
    turned(tab, 1, 3)
    assert tab.errors == []


def test_what_is_selected_stays_so_in_another_plane(
    open_tab: OpenTab, reports: dict[int, Path], three: pd.DataFrame
) -> None:
    tab = opened(open_tab, reports[3])
    tab.page.locator("[data-end=x0]").fill("10")
    tab.page.locator("[data-end=x0]").press("Tab")
    inside = int((three["test/rate_1"] >= 10).sum())
    told = f"{inside} of 27 runs selected"
    assert tab.page.locator(".region output").text_content() == told
    tab.page.locator("select.across").select_option("test/rate_2")
    turned(tab, 2, 3)
    assert tab.page.locator(".region output").text_content() == told
    assert tab.page.locator("[data-end=x0]").input_value() == ""
    tab.until(f"{PROFILE}.data[0].selectedpoints?.length === {inside}")
    tab.page.locator("select.across").select_option("test/rate_1")
    assert tab.page.locator("[data-end=x0]").input_value() == "10"
    tab.page.locator(".region .clear").click()
    assert tab.page.locator(".region output").text_content() == "27 runs"
    assert tab.errors == []


@pytest.mark.parametrize(("layers", "width", "dark"), [(3, 1280, False), (6, 360, True)])
def test_all_rates_are_bars_that_are_pointed_at(
    open_tab: OpenTab, reports: dict[int, Path], layers: int, width: int, dark: bool
) -> None:
    tab = opened(open_tab, reports[layers], width=width, dark=dark)
    bars = tab.page.evaluate(f"{PROFILE}.data.filter((one) => one.type === 'bar').map((one) => one.y.length)")
    assert bars == [27 if layers == 3 else 60] * layers
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
    tab.page.locator(".profile .plot").scroll_into_view_if_needed()
    where = f"""(() => {{
        const box = {PROFILE}.getBoundingClientRect(), {{ xaxis, yaxis }} = {PROFILE}._fullLayout;
        return [box.left + xaxis._offset + xaxis.d2p(5), box.top + yaxis._offset + yaxis.d2p(1)];
    }})()"""
    tab.page.mouse.click(*tab.page.evaluate(where))
    name = tab.page.evaluate(
        f"JSON.parse(document.querySelector('script.data').textContent).names[{PROFILE}.data[0].rows[4]]"
    )
    tab.until(f"document.querySelector('aside.run h4').textContent === {json.dumps(name)}")
    assert "Held" in tab.page.locator("aside.run .pin").text_content()
    tab.screenshot(f"report-layers-{layers}-{width}")
    assert tab.errors == []


def test_the_profile_follows_the_application(open_tab: OpenTab, reports: dict[int, Path], three: pd.DataFrame) -> None:
    tab = opened(open_tab, reports[3])
    tab.page.locator(".switch label").nth(1).click()
    best = recommend(three, ASKED[1]).run["run_id"]
    tab.until(f"{PROFILE}.data[0].rows[0] === {list(three['run_id']).index(best)}")
    heads = tab.page.locator("table.shares thead th").all_text_contents()
    assert heads[0] == "layer"
    assert [head.partition(" (")[0] for head in heads[1:]] == list(ASKED)
    assert tab.page.locator("table.shares tbody th").all_text_contents() == ["z3", "z2", "z1"]
    assert tab.errors == []
