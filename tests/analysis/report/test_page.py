"""The page holds everything, loads nothing, and runs no script but its own."""

import base64
import hashlib
import json
import re
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from plotly.offline import get_plotlyjs

from analysis.figures.style import number
from analysis.recommendation.gain_text import gain_sentence
from analysis.recommendation.recommender import recommend
from analysis.recommendation.text import recommendation_lines, region_sentences
from analysis.report import build, page, section, write
from analysis.report.tables import best_run_sentence, sentence, target_row
from hit.errors import StoreError
from hit.metrics import accuracy_error
from hit.metrics.bounds import accuracy_bound
from hit.schema import PROBES

MakeFrame = Callable[..., pd.DataFrame]


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    """Leaves 4.8 MB of plotly.js out of the pages that are parsed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "get_plotlyjs", lambda: "var Plotly;")
        yield


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without galleries, which cost most of their time: for what a page says, not shows."""
    monkeypatch.setattr(section, "galleries", lambda *arguments: [])


@pytest.fixture(scope="module")
def whole(make_frame: MakeFrame) -> str:
    """The page of 25 runs that have everything."""
    return build(make_frame(5))


@pytest.fixture(scope="module")
def parsed(whole: str) -> "Page":
    """The same, parsed."""
    return Page(whole)


class Page(HTMLParser):
    """Elements, visible text, figures, the data of its sections, and scripts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.figures: list[dict[str, Any]] = []
        self.sections: list[dict[str, Any]] = []
        self.scripts: list[str] = []
        self._script: dict[str, str | None] | None = None
        self.feed(page)
        self.text = re.sub(r"\s+", " ", "".join(self.texts))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._script = dict(attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is None:
            self.texts.append(data)
        elif self._script.get("type") == "application/json":
            content = json.loads(data)
            if "linear" in content:
                self.figures.append(content["linear"])
            elif "pool" in content:
                self.sections.append(content)
        else:
            self.scripts.append(data)

    def attributes(self, name: str) -> list[str]:
        """Values of an attribute over all elements."""
        return [attributes[name] or "" for _, attributes in self.elements if name in attributes]

    def count(self, tag: str) -> int:
        """How many elements of this name."""
        return sum(name == tag for name, _ in self.elements)


def unpacked(section: dict[str, Any], packed: Any) -> Any:
    """An array of the page; short ones are written out."""
    if isinstance(packed, list):
        return np.array(packed)
    kind, data = section["pool"][packed["pool"]]
    return np.frombuffer(base64.b64decode(data), dtype=kind)


def test_the_table_names_the_best_run_of_each_application(grid: pd.DataFrame, parsed: Page) -> None:
    table = parsed.text[parsed.text.index("Every application") :]
    for name in ("reconstruction", "compression", "representation", "density"):
        found = recommend(grid, name)
        row = table[table.index(f" {name}") :][:600]
        assert found.run["run_name"] in row
        assert f"R 1 = {found.run['test/rate_1']:.3g}".replace("R 1", "R1") in row
        assert "runs with equal β" in row or "Free β gain nothing so far: the best run has equal β" in row


def test_an_accuracy_states_its_standard_error(grid: pd.DataFrame) -> None:
    found = recommend(grid.assign(**{"test/held_out": 72.0}), "representation")
    error = float(accuracy_error(found.value, 72))
    assert f"± {number(error, 2)} (on 72 test images)" in target_row(found, "").value
    assert "±" not in target_row(recommend(grid, "representation"), "").value, "not without the number of images"
    assert "±" not in target_row(recommend(grid.assign(**{"test/held_out": 72.0}), "reconstruction"), "").value


@pytest.mark.parametrize("count", [25, 5, 1])
def test_the_page_says_what_the_terminal_says(grid: pd.DataFrame, count: int) -> None:
    found = recommend(grid.head(count), "density")
    told = re.sub(r"R_([12])", r"R\1", " ".join(recommendation_lines(found)))
    row = target_row(found, "")
    text = (sentence(row) + " " + best_run_sentence(row)).striptags().replace("β_", "β")
    for said in (*region_sentences(found), gain_sentence(found)):
        assert re.sub(r"R_([12])", r"R\1", said) in told
        assert re.sub(r"R_([12])", r"R\1", said) in text
    assert ("no known uncertainty" in text) == (count < 25)


def test_a_region_that_says_little_is_marked_in_the_table_and_dashed_in_rate_space(grid: pd.DataFrame) -> None:
    grid["test/psnr"] = np.random.default_rng(0).standard_normal(len(grid))
    page = Page(build(grid, applications=["reconstruction", "density"]))
    assert [one["hedge"] for one in page.sections[0]["explorer"]["applications"]] == ["open", ""]
    assert "(open)" in page.text
    few = Page(build(grid.head(5), applications=["density"]))
    assert [one["hedge"] for one in few.sections[0]["explorer"]["applications"]] == ["no error known"]


@pytest.mark.usefixtures("bare")
def test_one_application_can_be_asked_for(grid: pd.DataFrame) -> None:
    page = Page(build(grid, applications=["density"]))
    assert "density" in page.text
    assert "compression" not in page.text
    with pytest.raises(StoreError, match="unknown application 'densty'"):
        build(grid, applications=["densty"])


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
    page = Page(build(grid, base_url="https://mlflow.example", source=source, title=title))
    assert page.count("img") == 0
    assert page.count("script") == len(page.figures) + 2 * len(page.sections) + 3
    assert page.attributes("onerror") == []
    for text in (texts["run_name"], texts["dataset"], texts["status_reason"], texts["likelihood"], source, title):
        assert text in page.text


def test_runs_link_to_their_page_in_mlflow(grid: pd.DataFrame) -> None:
    page = Page(build(grid, base_url="https://mlflow.example/"))
    run = recommend(grid, "density").run["run_id"]
    assert f"https://mlflow.example/#/experiments/1/runs/{run}?workflowType=machine_learning" in page.attributes("href")


@pytest.mark.usefixtures("bare")
def test_no_link_is_a_script(grid: pd.DataFrame) -> None:
    assert "javascript:" not in "".join(Page(build(grid, base_url="javascript:alert(1)")).attributes("href"))


def test_the_header_says_what_the_store_holds(grid: pd.DataFrame) -> None:
    grid["status_reason"] = grid["status_reason"].astype(object)
    grid.loc[0, ["status", "status_reason"]] = ["FAILED", "diverged in epoch 3"]
    grid.loc[1, "status"] = "RUNNING"
    grid.loc[2, "status"] = "KILLED"
    text = Page(build(grid, source="experiment hit", generated=datetime(2025, 5, 1, 9, 30, tzinfo=UTC))).text
    assert "experiment hit · made 2025-05-01 09:30 UTC" in text
    for status, count in (("finished", 22), ("running", 1), ("failed", 1), ("killed", 1)):
        assert f" {status}{count} " in text
    assert f"{grid.loc[0, 'run_name']}: diverged in epoch 3" in text


@pytest.mark.usefixtures("bare")
def test_data_sets_have_sections_of_their_own(grid: pd.DataFrame, make_frame: MakeFrame) -> None:
    digits = make_frame(3, dataset="digits")
    page = Page(build(pd.concat([digits, grid])))
    assert [attributes["id"] for tag, attributes in page.elements if tag == "section"] == ["setting-1", "setting-2"]
    assert page.attributes("href")[1:3] == ["#setting-1", "#setting-2"]
    assert [section["names"] for section in page.sections] == [[*grid["run_name"]], [*digits["run_name"]]]


def test_a_metric_that_is_missing_leaves_its_picture_out_and_says_what_measures_it(grid: pd.DataFrame) -> None:
    core = grid.drop(columns=[name for name in grid if "accuracy" in name or "mi_z" in name])
    page = Page(build(core))
    assert len(page.figures) == 13
    assert "No finished run has accuracy of z_2, SVM (RBF) on samples, so that no picture shows it" in page.text
    assert "python -m hit.evaluate --where \"params.dataset = 'binary_mnist'" in page.text
    assert "No recommendation for representation" in page.text
    assert "Were the bounds kept?" not in page.text


def test_runs_that_lack_a_metric_are_counted_and_several_evaluators_reported(grid: pd.DataFrame) -> None:
    grid.loc[:4, "test/psnr"] = np.nan
    for column in ("evaluator", "judge", "inception"):
        grid[column] = np.where(grid.index < 5, "older", "newer")
    text = Page(build(grid)).text
    assert "lack a metric are left out: PSNR (5 of 25)" in text
    assert "Scores come from 2 evaluators and do not compare" in text
    assert "Scores come from 2 classifiers that judge samples" in text
    assert "Scores come from 2 versions of the FID" in text
    assert "--metrics inception" in text


def test_the_bound_is_said_to_hold(grid: pd.DataFrame, parsed: Page) -> None:
    text = parsed.text
    assert "Yes. All 200 accuracies on samples, of 25 runs, keep the bound" in text
    above = sum(
        (grid[f"test/accuracy_{probe}_z{layer}"] > grid[f"test/accuracy_bound_rate_z{layer}"]).sum()
        for probe in ("logistic", "svm_rbf", "svm_linear", "knn")
        for layer in (1, 2)
    )
    assert above > 0
    assert f"{above} of 200 accuracies on posterior means lie above the bound, and may" in text


@pytest.mark.usefixtures("bare")
def test_a_violated_bound_is_flagged_with_its_run(grid: pd.DataFrame) -> None:
    grid.loc[24, "test/rate_2"] = 0.05
    grid.loc[24, "test/accuracy_bound_rate_z2"] = accuracy_bound(0.05, np.log(10), 10)
    grid.loc[24, "test/accuracy_knn_z2_sampled"] = 0.77
    within = Page(build(grid)).text  # the verdict of the evaluation, which knows the size of the test set
    assert re.search(r"Yes\. All 200 .* keep the bound that the rate sets, 4 of them within the chance", within)
    grid.loc[24, "test/bound_holds_z2"] = 0.0
    text = Page(build(grid)).text
    assert "No. 1 of 25 runs" in text
    assert f"{grid.loc[24, 'run_name']}: " in text
    assert "0.77 above 0." in text


@pytest.mark.usefixtures("bare")
def test_any_violated_bound_is_listed(grid: pd.DataFrame) -> None:
    broken = {
        "mi_z2": (-0.31, "min(rate bound, H(y)) minus I(y; z2) = −0.31 nats"),
        "accuracy_mi_z1": (-0.2, "bound from I(y; z1) minus best sampled accuracy = −0.2"),
        "reconstruction": (-7.5, "−ELBO minus H of the test images = −7.5 nats per image"),
        "inception_score": (-1.25, "bound minus inception score = −1.25"),
    }
    for check in broken:
        grid[f"test/bound_slack_{check}"], grid[f"test/bound_holds_{check}"] = 0.5, 1.0
    assert "and 100 other quantities (information, −ELBO, scores of samples) keep theirs" in Page(build(grid)).text
    for run, (check, (slack, _)) in enumerate(broken.items(), start=7):
        grid.loc[run, [f"test/bound_slack_{check}", f"test/bound_holds_{check}"]] = [slack, 0.0]
    text = Page(build(grid)).text
    assert "No. 4 of 25 runs exceed a bound" in text
    for run, (_, told) in enumerate(broken.values(), start=7):
        assert f"{grid.loc[run, 'run_name']}: {told}" in text


@pytest.mark.usefixtures("bare")
def test_accuracies_on_means_above_the_bound_are_listed_apart(grid: pd.DataFrame) -> None:
    probes = [f"test/accuracy_{probe}_z{layer}" for probe in PROBES for layer in (1, 2)]
    grid[probes] = 0.1
    grid.loc[3, "test/accuracy_bound_rate_z2"] = 0.4
    grid.loc[3, [f"test/accuracy_{probe}_z2_sampled" for probe in PROBES]] = 0.3
    grid.loc[3, "test/accuracy_knn_z2"] = 0.61
    text = Page(build(grid)).text
    assert "Yes. All 200 accuracies" in text
    assert "Not covered by the bound: 1 of 200 accuracies on posterior means" in text
    listed = text[text.index("1 run with accuracies on means above the bound") :]
    assert f"{grid.loc[3, 'run_name']}: accuracy of z2, 5-nearest neighbours on means: 0.61 above 0.4" in listed


def test_an_empty_frame_says_which_command_makes_runs(grid: pd.DataFrame) -> None:
    for frame in (grid.iloc[:0], pd.DataFrame()):
        page = Page(build(frame))
        assert "There are no runs to report" in page.text
        assert "python -m hit.train, many by python -m sweeps" in page.text
        assert page.figures == []


def test_runs_of_which_none_finished_are_listed(grid: pd.DataFrame) -> None:
    page = Page(build(grid.assign(status="RUNNING")))
    assert page.figures == []
    assert "this one has 0" in page.text
    (section,) = page.sections
    assert section["names"] == [*grid["run_name"]]
    assert {*section["statuses"]} == {"running"}


def test_one_run_is_a_table_without_pictures(make_frame: MakeFrame) -> None:
    frame = make_frame(1)
    page = Page(build(frame))
    assert page.figures == []
    assert "Pictures begin at 3 finished runs of one setting; this one has 1." in page.text
    assert "The only candidate has equal β, so that the gain of free β is not known." in page.text


@pytest.mark.parametrize(("layers", "side", "pictures"), [(1, 5, 17), (3, 3, 31)])
def test_other_numbers_of_layers(make_frame: MakeFrame, layers: int, side: int, pictures: int) -> None:
    page = Page(build(make_frame(side, layers=layers)))
    assert len(page.figures) == pictures
    assert f"R{layers} = " in page.text


@pytest.mark.usefixtures("bare")
def test_the_table_of_runs_has_a_column_for_each_number(grid: pd.DataFrame) -> None:
    grid.loc[0, "test/psnr"] = np.nan
    (section,) = (page := Page(build(grid))).sections
    numbers = unpacked(section, section["columns"]["test/psnr"])
    np.testing.assert_allclose(numbers, grid["test/psnr"], rtol=1e-6)
    named = [column["name"] for column in section["table"]]
    assert named[:5] == ["beta_1", "beta_2", "seed", "test/rate_1", "test/rate_2"]
    heads = [attributes for tag, attributes in page.elements if tag == "th"]
    recommended, seeds = 7 + 4, 4 + 4  # columns, and one a row
    assert len(heads) == recommended + seeds + 3 + len(named), "of recommendations, of seeds and of runs"


@pytest.mark.usefixtures("bare")
def test_heads_tell_standard_errors_and_images(grid: pd.DataFrame) -> None:
    name = "test/accuracy_svm_rbf_z2"
    grid = grid.assign(**{name: 0.5, "test/held_out": 360.0, f"{name}_standard_error": 0.03})
    page = Page(build(grid))
    assert "on means (± up to 0.03, on 360 test images)" in page.text
    (section,) = page.sections
    np.testing.assert_allclose(unpacked(section, section["errors"][name]), 0.03, rtol=1e-6)
    assert f"{name}_standard_error" not in section["columns"]
    grid.loc[0, "test/held_out"] = 72.0
    assert "on 72 to 360 test images" in Page(build(grid)).text


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
