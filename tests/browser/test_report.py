"""The report as a person meets it: seen, pointed at, brushed, switched, and used without a pointer."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.figures.style import number
from analysis.recommendation.applications import APPLICATIONS
from analysis.recommendation.recommender import recommend
from analysis.report import write
from tests.commands import wait_until
from tests.frames import drawing, grid_frame, paths, with_samples

OpenTab = Callable[..., Any]
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \"'`"
MAP = ".map .plot"


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """49 runs, one of which failed."""
    runs = with_samples(grid_frame(7))
    runs["status_reason"] = runs["status_reason"].astype(object)
    runs.loc[3, ["status", "status_reason"]] = ["FAILED", "diverged in epoch 3"]
    return runs


@pytest.fixture(scope="module")
def report(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their report, with paths and pictures."""
    target = tmp_path_factory.mktemp("report") / "report.html"
    return write(frame, target, source="experiment hit", histories=paths, pictures=drawing)


def opened(open_tab: OpenTab, report: Path, **options: Any) -> Any:
    """A window on the report whose rate space is drawn."""
    tab = open_tab(report, **options)
    tab.until(f"document.querySelector('{MAP}').classList.contains('js-plotly-plot')")
    return tab


def place(tab: Any, x: float, y: float) -> tuple[float, float]:
    """Where a point of rate space is in the window."""
    tab.page.locator(MAP).scroll_into_view_if_needed()
    where = """([x, y]) => {
        const plot = document.querySelector('.map .plot'), box = plot.getBoundingClientRect();
        const { xaxis, yaxis } = plot._fullLayout;
        return [box.left + xaxis._offset + xaxis.d2p(x), box.top + yaxis._offset + yaxis.d2p(y)];
    }"""
    return tuple(tab.page.evaluate(where, [x, y]))


def point(tab: Any, run: pd.Series) -> None:
    """Bring the pointer to a run."""
    x, y = place(tab, run["test/rate_1"], run["test/rate_2"])
    tab.page.mouse.move(x - 3, y - 3)
    tab.page.mouse.move(x, y, steps=3)


def panel(tab: Any) -> str:
    """Name of the run in the panel."""
    return str(tab.page.locator("aside.run h4").text_content())


def test_pointing_at_a_run_shows_what_it_draws_its_numbers_and_its_page(
    open_tab: OpenTab, report: Path, frame: pd.DataFrame
) -> None:
    tab = opened(open_tab, report)
    run = frame.iloc[24]
    assert panel(tab) == recommend(frame, "reconstruction").run["run_name"]
    point(tab, run)
    tab.until(f"document.querySelector('aside.run h4').textContent === {json.dumps(run['run_name'])}")
    drawn = tab.page.locator("aside.run img")
    assert drawn.count() == 2
    assert all(drawn.nth(at).evaluate("image => image.decode().then(() => image.naturalWidth)") > 200 for at in (0, 1))
    assert run["run_name"] in drawn.first.get_attribute("alt")
    link = f"http://127.0.0.1:5000/#/experiments/1/runs/{run['run_id']}?workflowType=machine_learning"
    assert tab.page.locator("aside.run a").get_attribute("href") == link
    numbers = tab.page.locator("aside.run dd").all_text_contents()
    assert numbers[2].startswith(number(run["test/rate_1"]))
    assert f"{number(run['test/psnr'])} dB" in numbers
    tab.screenshot("report-run")
    x, y = place(tab, run["test/rate_1"], run["test/rate_2"])
    tab.page.mouse.click(x, y)
    point(tab, frame.iloc[40])
    tab.page.wait_for_timeout(500)
    assert panel(tab) == run["run_name"], "a run that was pressed is held"
    assert tab.errors == []


def test_keys_go_from_run_to_run(open_tab: OpenTab, report: Path, frame: pd.DataFrame) -> None:
    tab = opened(open_tab, report)
    tab.page.locator(MAP).focus()
    seen = [panel(tab)]
    for key in ("ArrowLeft", "ArrowUp", "ArrowLeft"):
        tab.page.keyboard.press(key)
        seen.append(panel(tab))
    assert len(set(seen)) == 4
    rates = frame.set_index("run_name").loc[seen]
    assert rates["test/rate_1"].iloc[1] < rates["test/rate_1"].iloc[0]
    assert rates["test/rate_2"].iloc[2] > rates["test/rate_2"].iloc[1]
    assert tab.page.locator(".ring").is_visible()
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate("document.activeElement.closest('aside.run') !== null")
    assert "Held" in tab.page.locator("aside.run .pin").text_content()
    tab.page.locator(MAP).focus()
    tab.page.keyboard.press("Escape")
    assert "Held" not in tab.page.locator("aside.run .pin").text_content()


def selected(tab: Any) -> list[str]:
    """Names in the table, of which this many runs fit one page."""
    return list(tab.page.locator(".runs tbody td:first-child").all_text_contents())


def test_a_brush_selects_a_region_that_pictures_and_table_follow(
    open_tab: OpenTab, report: Path, frame: pd.DataFrame
) -> None:
    tab = opened(open_tab, report)
    assert len(selected(tab)) == 49
    tab.page.mouse.move(*place(tab, 15.0, 2.0))
    tab.page.mouse.down()
    tab.page.mouse.move(*place(tab, 25.0, 6.0), steps=4)
    tab.page.mouse.move(*place(tab, 35.0, 10.0), steps=4)
    tab.page.mouse.up()
    tab.until("document.querySelector('.region output').textContent.includes('selected')")
    ends = [float(tab.page.locator(f"[data-end={end}]").input_value()) for end in ("x0", "x1", "y0", "y1")]
    assert ends == pytest.approx([15, 35, 2, 10], abs=0.5)
    done = frame[frame["status"] == "FINISHED"]
    inside = done[done["test/rate_1"].between(*ends[:2]) & done["test/rate_2"].between(*ends[2:])]
    assert 3 < len(inside) < 20
    assert set(selected(tab)) == {*inside["run_name"]}
    assert tab.page.locator(".region output").text_content() == f"{len(inside)} of 49 runs selected"
    tab.screenshot("report-brush")
    tab.page.locator('.plot[data-name="test-elbo"]').last.scroll_into_view_if_needed()
    other = "[...document.querySelectorAll('.plot[data-name=\"test-elbo\"]')].at(-1).data"
    tab.until(f"({other} ?? []).find((one) => one.rows)?.selectedpoints?.length === {len(inside)}")
    tab.page.locator(".region .clear").click()
    assert len(selected(tab)) == 49
    assert tab.errors == []


def test_a_region_can_be_typed(open_tab: OpenTab, report: Path, frame: pd.DataFrame) -> None:
    tab = opened(open_tab, report, width=360)
    tab.page.locator("[data-end=x0]").fill("30")
    tab.page.locator("[data-end=x0]").press("Tab")
    done = frame[frame["status"] == "FINISHED"]
    assert set(selected(tab)) == {*done.loc[done["test/rate_1"] >= 30, "run_name"]}
    tab.page.locator("[data-end=y0]").fill("1000")
    tab.page.locator("[data-end=y0]").press("Tab")
    assert selected(tab) == []
    assert "No run lies in the region." in tab.page.locator(".runs").text_content()
    tab.page.locator(".region .recommended").click()
    region = recommend(frame, "reconstruction").region
    assert float(tab.page.locator("[data-end=x1]").input_value()) == pytest.approx(region.high[0], rel=1e-4)
    assert tab.errors == []


def test_the_switch_moves_the_region_and_the_sentence(open_tab: OpenTab, report: Path, frame: pd.DataFrame) -> None:
    tab = opened(open_tab, report)
    for name in ("generation", "compression"):
        found = recommend(frame, name)
        tab.page.locator(".switch label", has_text=name).click()
        assert panel(tab) == found.run["run_name"]
        (sentence,) = tab.page.locator(".sentence:visible").all_text_contents()
        assert sentence.startswith(f"For {name} aim at R1 ")
        drawn = "document.querySelector('.map .plot').data.filter(one => one.name === 'region to target')[0]?.x"
        low = min(found.region.low[0], found.region.high[0])
        tab.until(f"Math.abs(Math.min(...({drawn} ?? [0])) - {low}) < 1e-3")
    named = "document.querySelector('.map .plot').data.flatMap(one => one.mode === 'lines+text' ? one.text : [])"
    outlined = [name for name in tab.page.evaluate(named) if name]
    assert outlined == [name for name in APPLICATIONS.names() if name != "compression"], "the others, by their names"
    tab.page.locator(".switch input").nth(0).focus()
    tab.page.keyboard.press("ArrowRight")
    assert tab.page.locator(".sentence:visible").text_content().startswith("For compression")
    tab.page.locator("select.color").select_option("test/distortion")
    tab.until("document.querySelector('.map .plot').layout.coloraxis.colorbar.title.text.startsWith('distortion')")
    assert tab.errors == []


def test_a_region_that_says_little_is_dashed_and_empty(open_tab: OpenTab, tmp_path: Path) -> None:
    tab = opened(open_tab, write(grid_frame(5).head(6), tmp_path / "few.html"))
    drawn = "document.querySelector('.map .plot').data.find(one => one.name?.startsWith('region to target'))"
    name, dash, fill = tab.page.evaluate(f"(one => [one.name, one.line.dash, one.fill ?? 'none'])({drawn})")
    assert (name, dash, fill) == ("region to target (no error known)", "dash", "none")
    assert "has no known uncertainty" in tab.page.locator(".sentence").first.inner_text()
    tab.screenshot("report-few-runs")


def test_the_button_turns_light_into_dark_and_back(open_tab: OpenTab, report: Path) -> None:
    tab = opened(open_tab, report)
    paper = "getComputedStyle(document.body).backgroundColor"
    drawn = "document.querySelector('.map .plot')._fullLayout.paper_bgcolor"
    assert tab.page.evaluate(drawn) == "#ffffff"
    tab.page.locator("#theme").focus()
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate(paper) == "rgb(23, 27, 32)"
    tab.until(f"{drawn} === '#171b20'")
    tab.screenshot("report-1280-dark")
    tab.page.locator("#theme").click()
    assert tab.page.evaluate(paper) == "rgb(255, 255, 255)"
    assert tab.errors == []


def test_the_table_sorts_by_number_and_by_text(open_tab: OpenTab, report: Path, frame: pd.DataFrame) -> None:
    tab = opened(open_tab, report)
    head = tab.page.locator(".runs th", has_text="PSNR")
    head.locator("button").click()
    done = frame[frame["status"] == "FINISHED"]
    assert head.get_attribute("aria-sort") == "ascending"
    order = [*frame.sort_values("test/psnr")["run_name"]]
    assert selected(tab) == order
    head.locator("button").click()
    assert selected(tab) == order[::-1]
    tab.page.locator(".runs th", has_text="status").locator("button").click()
    assert selected(tab)[0] == frame["run_name"][3]
    assert len(done) == 48


def test_names_from_a_store_run_nothing(open_tab: OpenTab, tmp_path: Path) -> None:
    hostile = grid_frame(3).assign(run_name=HOSTILE, dataset=HOSTILE, likelihood=HOSTILE)
    hostile["experiment_id"] = "1/../../javascript:alert(3)"
    tab = opened(open_tab, write(hostile, tmp_path / "report.html", HOSTILE, source=HOSTILE, pictures=drawing))
    tab.page.on("dialog", lambda dialog: tab.errors.append(f"dialog: {dialog.message}"))
    point(tab, hostile.iloc[0])
    wait_until(lambda: "shown" if panel(tab) == HOSTILE else "")
    assert selected(tab) == [HOSTILE] * 9
    assert tab.page.locator("img").count() == 2, "the pictures of one run"
    assert tab.page.locator("aside.run a").get_attribute("href").startswith("http://127.0.0.1:5000/#/experiments/1%2F")
    assert tab.errors == []
    assert tab.requests == []


def test_many_runs_are_drawn_by_the_graphics_card_and_paged(open_tab: OpenTab, tmp_path: Path) -> None:
    many = grid_frame(40)
    report = write(
        many, tmp_path / "report.html", applications=["reconstruction"], pictures=lambda run_id, artifact: None
    )
    tab = opened(open_tab, report)
    assert tab.page.evaluate("document.querySelector('.map .plot').data.map(one => one.type)").count("scattergl") == 1
    assert len(selected(tab)) == 50
    assert "1 to 50 of 1600 runs" in tab.page.locator(".pages").text_content()
    tab.page.locator(".pages .next").click()
    assert "51 to 100 of 1600 runs" in tab.page.locator(".pages").text_content()
    tab.page.locator("[data-end=x0]").fill("40")
    tab.page.locator("[data-end=x0]").press("Tab")
    count = int((many["test/rate_1"] >= 40).sum())
    assert f"{count} of 1600 runs selected" in tab.page.locator(".region output").text_content()
    assert "their pages in MLflow have it" in tab.page.locator("aside.run").text_content()
    assert tab.errors == []
