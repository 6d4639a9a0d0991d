"""What the page says in sentences and tables, as the terminal says it."""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis.figures.style import number
from analysis.recommendation.gain_text import gain_sentence
from analysis.recommendation.recommender import recommend
from analysis.recommendation.text import recommendation_lines, region_sentences
from analysis.report import build
from analysis.report.tables import best_run_sentence, sentence, target_row
from hit.errors import StoreError
from hit.metrics import accuracy_error
from tests.report_page import Page, unpacked

MakeFrame = Callable[..., pd.DataFrame]


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


@pytest.mark.usefixtures("bare")
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


@pytest.mark.usefixtures("bare")
def test_the_table_of_runs_has_a_column_for_each_number(grid: pd.DataFrame) -> None:
    grid.loc[0, "test/psnr"] = np.nan
    (section,) = (page := Page(build(grid))).sections
    numbers = unpacked(section, section["columns"]["test/psnr"])
    np.testing.assert_allclose(numbers, grid["test/psnr"], rtol=1e-6)
    named = [column["name"] for column in section["table"]]
    assert named[:5] == ["beta_1", "beta_2", "seed", "test/rate_1", "test/rate_2"]
    heads = [attributes for tag, attributes in page.elements if tag == "th"]
    recommended, seeds, findings = 7 + 4, 4 + 4, 4 + 7  # columns, and one a row
    assert len(heads) == recommended + seeds + findings + 3 + len(named), "and those of runs"


@pytest.mark.usefixtures("bare")
def test_heads_tell_standard_errors_and_images(grid: pd.DataFrame) -> None:
    name = "test/accuracy_svm_rbf_z2"
    grid = grid.assign(**{name: 0.5, "test/held_out": 360.0, f"{name}_standard_error": 0.03})
    page = Page(build(grid, applications=["density"]))
    assert "on means (± up to 0.03, on 360 test images)" in page.text
    (section,) = page.sections
    np.testing.assert_allclose(unpacked(section, section["errors"][name]), 0.03, rtol=1e-6)
    assert f"{name}_standard_error" not in section["columns"]
    grid.loc[0, "test/held_out"] = 72.0
    assert "on 72 to 360 test images" in Page(build(grid, applications=["density"])).text


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
    text = Page(build(grid, applications=["density"])).text
    assert "lack a metric are left out: PSNR (5 of 25)" in text
    assert "Scores come from 2 evaluators and do not compare" in text
    assert "Scores come from 2 classifiers that judge samples" in text
    assert "Scores come from 2 versions of the FID" in text
    assert "--metrics inception" in text


def test_one_run_is_a_table_without_pictures(make_frame: MakeFrame) -> None:
    frame = make_frame(1)
    page = Page(build(frame))
    assert page.figures == []
    assert "Pictures begin at 3 finished runs of one setting; this one has 1." in page.text
    assert "The only candidate has equal β, so that the gain of free β is not known." in page.text
