"""The page holds everything, loads nothing, and runs no script but its own."""

import base64
import hashlib
import json
import re
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from plotly.offline import get_plotlyjs

from analysis.recommendation.recommender import recommend
from analysis.report import build, page, write
from hit.errors import StoreError
from tests.report_page import Page, unpacked

MakeFrame = Callable[..., pd.DataFrame]


def test_every_picture_is_there_with_its_numbers(grid: pd.DataFrame, parsed: Page) -> None:
    # regions, 3 in three dimensions, 6 over β, 13 metrics against rate, all metrics, parallel coordinates; rate space
    assert len(parsed.figures) + 1 == 26 == parsed.count("figure")
    (section,) = parsed.sections
    (points,) = [one for one in section["explorer"]["figures"]["linear"]["data"] if "rows" in one]
    for name, axis in (("test/rate_1", "x"), ("test/rate_2", "y")):
        np.testing.assert_allclose(unpacked(section, points[axis]), grid[name], rtol=1e-6)
        np.testing.assert_allclose(unpacked(section, section["columns"][name]), grid[name], rtol=1e-6)
    assert not any("template" in figure["layout"] or "title" in figure["layout"] for figure in parsed.figures)


def test_the_regions_of_the_applications_are_in_the_page(grid: pd.DataFrame, parsed: Page) -> None:
    (section,) = parsed.sections
    for region in section["explorer"]["applications"]:
        found = recommend(grid, region["name"])
        assert section["ids"][region["row"]] == found.run["run_id"]
        assert min(region["outline"]["x"]) == pytest.approx(found.region.low[0])
        assert max(region["outline"]["y"]) <= found.region.high[1] + 1e-9
        assert f"For {region['name']} aim at " in parsed.text
        assert f"The best run, {found.run['run_name']}, has " in parsed.text


def test_nothing_is_loaded_from_anywhere(parsed: Page) -> None:
    assert parsed.attributes("src") == []
    links = [link for link in parsed.attributes("href") if not link.startswith("#")]
    assert all(link.startswith("http://127.0.0.1:5000/#/experiments/1/runs/") for link in links)
    assert all(link.endswith("?workflowType=machine_learning") for link in links), "not the side for language models"
    assert parsed.count("link") == parsed.count("iframe") == parsed.count("img") == 0
    styles = parsed.scripts[0]
    assert "url(" not in styles
    assert "@import" not in styles
    assert any(value.startswith("default-src 'none'") for value in parsed.attributes("content"))


def test_no_script_but_ours_may_run(whole: str) -> None:
    (policy,) = [value for value in Page(whole).attributes("content") if "script-src" in value]
    scripts = re.findall(r"<script>(.*?)</script>", whole, flags=re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy
    assert "unsafe-inline" not in re.search(r"script-src ([^;]*);", policy)[1]  # type: ignore[index]
    assert "unsafe-eval" not in policy


def test_no_chart_is_offered_to_a_cloud(whole: str) -> None:
    assert "showSendToCloud: false" in whole


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> \"'`"


def test_strings_of_the_store_are_inert(grid: pd.DataFrame) -> None:
    grid["status_reason"] = grid["status_reason"].astype(object)
    grid.loc[0, "status"] = "FAILED"
    texts = {
        field: f"{HOSTILE} in {field}"
        for field in ("run_name", "dataset", "status_reason", "evaluator", "likelihood", "data_digest")
    }
    grid = grid.assign(**texts)
    source, title = f"{HOSTILE} in the source", f"{HOSTILE} in the title"
    told = {"base_url": "https://mlflow.example", "source": source, "title": title}
    page = Page(build(grid, applications=["density"], **told))
    assert page.count("img") == 0
    assert page.count("script") == len(page.figures) + 2 * len(page.sections) + 3
    assert page.attributes("onerror") == []
    for text in (texts["run_name"], texts["dataset"], texts["status_reason"], texts["likelihood"], source, title):
        assert text in page.text


@pytest.mark.usefixtures("bare")
def test_runs_link_to_their_page_in_mlflow(grid: pd.DataFrame) -> None:
    page = Page(build(grid, applications=["density"], base_url="https://mlflow.example/"))
    run = recommend(grid, "density").run["run_id"]
    assert f"https://mlflow.example/#/experiments/1/runs/{run}?workflowType=machine_learning" in page.attributes("href")


@pytest.mark.usefixtures("bare")
def test_no_link_is_a_script(grid: pd.DataFrame) -> None:
    page = Page(build(grid, applications=["density"], base_url="javascript:alert(1)"))
    assert "javascript:" not in "".join(page.attributes("href"))


@pytest.mark.usefixtures("bare")
def test_the_header_says_what_the_store_holds(grid: pd.DataFrame) -> None:
    grid["status_reason"] = grid["status_reason"].astype(object)
    grid.loc[0, ["status", "status_reason"]] = ["FAILED", "diverged in epoch 3"]
    grid.loc[1, "status"] = "RUNNING"
    grid.loc[2, "status"] = "KILLED"
    generated = datetime(2025, 5, 1, 9, 30, tzinfo=UTC)
    text = Page(build(grid, applications=["density"], source="experiment hit", generated=generated)).text
    assert "experiment hit · made 2025-05-01 09:30 UTC" in text
    for status, count in (("finished", 22), ("running", 1), ("failed", 1), ("killed", 1)):
        assert f" {status}{count} " in text
    assert f"{grid.loc[0, 'run_name']}: diverged in epoch 3" in text


@pytest.mark.usefixtures("bare")
def test_data_sets_have_sections_of_their_own(grid: pd.DataFrame, make_frame: MakeFrame) -> None:
    digits = make_frame(3, dataset="digits")
    page = Page(build(pd.concat([digits, grid]), applications=["density"]))
    assert [attributes["id"] for tag, attributes in page.elements if tag == "section"] == ["setting-1", "setting-2"]
    assert page.attributes("href")[1:3] == ["#setting-1", "#setting-2"]
    assert [section["names"] for section in page.sections] == [[*grid["run_name"]], [*digits["run_name"]]]


@pytest.mark.parametrize(("layers", "side", "pictures"), [(1, 5, 17), (3, 3, 31)])
def test_other_numbers_of_layers(make_frame: MakeFrame, layers: int, side: int, pictures: int) -> None:
    page = Page(build(make_frame(side, layers=layers), applications=["reconstruction"]))
    assert len(page.figures) == pictures
    assert f"R{layers} = " in page.text


def test_both_themes_travel_with_the_page(whole: str) -> None:
    (common,) = re.findall(r'id="common">(.*?)</script>', whole)
    assert set(json.loads(common)["templates"]) == {"light", "dark"}


def test_write_replaces_the_page_whole(grid: pd.DataFrame, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("old")
    assert write(grid.iloc[:1], target, "A title", source="here") == target
    assert "<title>A title</title>" in target.read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == [target]
    assert stat.S_IMODE(target.stat().st_mode) & 0o400


def test_write_says_in_one_line_where_it_cannot(grid: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for target in (tmp_path / "missing" / "report.html", tmp_path / "file" / "report.html", tmp_path):
        with pytest.raises(StoreError, match="output must be a file that can be written, got") as caught:
            write(grid.iloc[:1], target)
        assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_full_grid_makes_a_page_of_moderate_size(make_frame: MakeFrame) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "get_plotlyjs", get_plotlyjs)
        size = len(build(make_frame(21)).encode())
    assert 4.8e6 < size < 15e6
