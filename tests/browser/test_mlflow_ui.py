"""The MLflow UI in a real browser, over a sweep of 16 models that nobody has set anything up for."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from hit.ui.views import charts_page, run_page
from tests.browser.conftest import OpenTab, Tab
from tests.commands import SMALL, Commands
from tests.mlflow_ui import enter, wait_for_charts, wait_for_images
from tests.stores import Server

#: MLflow's own: warnings of its libraries, a question who is there, also where there are no users, its parallel
#: coordinates, which draw an axis before they know its values, and parts that change size while they are measured.
EXPECTED = ("warning: ", "users/current", "404 (Not Found)", "Error: <", "ResizeObserver loop")


@dataclass
class Site:
    """A UI over a store.

    Attributes:
        address: of the server.
        experiment: id.
        models: run ids of the 16 models, by start.
        sweep: run id.
    """

    address: str
    experiment: str
    models: list[str]
    sweep: str

    def page(self, path: str) -> str:
        return f"{self.address}/#/experiments/{self.experiment}{path}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, browser: Any) -> Iterator[Site]:
    """A sweep by the command, its first model's latents measured, and the UI; not begun where there is no browser."""
    folder = tmp_path_factory.mktemp("ui")
    commands = Commands(folder)
    swept = commands.run("sweeps", *SMALL, "--epochs", "1", "--launcher", "inline", "--further_seeds", "0")
    assert swept.returncode == 0, swept.stderr[-2000:]
    sweep = swept.stdout.strip().splitlines()[-1]
    run = commands.client.get_run(sweep)
    children = commands.client.search_runs(
        [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{sweep}'", order_by=["start_time ASC"]
    )
    assert len(children) == 16
    first = children[0].info.run_id
    measured = commands.run("hit.evaluate", "--run_id", first, "--again", "true", "--metrics", "core,latents")
    assert measured.returncode == 0, measured.stderr[-2000:]
    server = Server(folder / "ui", commands.uri)
    server.start()
    yield Site(server.uri, run.info.experiment_id, [child.info.run_id for child in children], sweep)
    server.stop()


@pytest.fixture
def tab(open_tab: OpenTab, site: Site) -> Iterator[Tab]:
    """An empty page; afterwards nothing may have gone wrong in it, and nothing may have left this machine."""
    tab = open_tab("about:blank", width=1500, height=1700)
    tab.page.set_default_timeout(90_000)
    yield tab
    assert [error for error in tab.errors if not any(words in error for words in EXPECTED)] == []
    assert {url for url in tab.requests if not url.startswith(site.address)} == set()


def test_the_prepared_view_shows_charts_and_pictures_of_16_runs(tab: Tab, site: Site) -> None:
    page = enter(tab.page, site.address + charts_page(site.experiment), "16 matching runs")
    wait_for_charts(page)
    for words in ("Rate space", "test/rate_1 vs. test/rate_2 vs. test/psnr", "Parallel Coordinates"):
        assert page.get_by_text(words).count() >= 1, words
    for section in ("test", "train", "Model metrics"):
        assert page.get_by_text(section, exact=True).count() >= 1, section
    wait_for_images(page, 10)  # MLflow draws those of ten runs in one grid
    tab.screenshot("ui_charts")


def test_the_view_is_in_the_menu_of_views(tab: Tab, site: Site) -> None:
    page = enter(tab.page, site.page("/runs?workflowType=machine_learning"), "17 matching runs")
    page.get_by_role("button", name="Views").click()
    page.get_by_text("Rate space").click()
    page.get_by_text("16 matching runs").wait_for()
    tab.screenshot("ui_table")


def test_a_sweep_has_its_models_nested_with_names_that_differ(tab: Tab, site: Site) -> None:
    page = enter(tab.page, site.page("/runs?workflowType=machine_learning"), "17 matching runs")
    assert page.get_by_text("β=(").count() == 0
    page.get_by_role("row").filter(has_text="sweep ghvae").locator("button").first.click()  # the sign has no name
    page.get_by_text("β=(10, 10) ghvae").first.wait_for()
    tab.screenshot("ui_nested")


def test_the_comparison_of_16_runs_shows_their_metrics(tab: Tab, site: Site) -> None:
    ids = json.dumps(site.models).replace(" ", "")
    page = enter(
        tab.page, f'{site.address}/#/compare-runs?runs={ids}&experiments=["{site.experiment}"]', "Comparing 16 Runs"
    )
    page.get_by_text("β=(0.1, 10) ghvae digits seed 0").first.wait_for()
    page.get_by_text("log10_beta_1", exact=True).last.wait_for()  # of the metrics, those in sight exist
    tab.screenshot("ui_comparison")


def test_the_run_of_a_model_begins_with_its_note(tab: Tab, site: Site) -> None:
    page = enter(tab.page, site.address + run_page(site.experiment, site.models[0]), "Finished")
    page.get_by_role("link", name="Model registry").wait_for()
    assert page.get_by_text("Evaluation runs").count() == 0, "the side for language models"
    for words in ("R_2", "ELBO", "accuracy of z_2"):
        page.get_by_role("columnheader", name=words).first.wait_for()
    tab.screenshot("ui_run")


def test_the_run_of_a_sweep_begins_with_what_came_of_it(tab: Tab, site: Site) -> None:
    page = enter(tab.page, site.address + run_page(site.experiment, site.sweep), "16 of 16 finished")
    page.get_by_text("epochs=1", exact=True).wait_for()
    assert page.locator("sub").filter(has_text="Left at its default").count() == 1, "in small letters, and last"
    tab.screenshot("ui_sweep")
    best = page.get_by_role("link", name="best run").get_attribute("href")
    enter(page, f"{site.address}/{best}", "Finished")
    page.get_by_role("columnheader", name="ELBO").first.wait_for()


def test_the_decisions_of_a_sweep_are_a_table(tab: Tab, site: Site) -> None:
    page = enter(tab.page, site.address + run_page(site.experiment, site.sweep, "decisions.json"), "decisions.json")
    page.get_by_text("coarse to fine").first.wait_for()
    assert page.get_by_text("β=(10, 10) ghvae digits seed 0").count() == 1, "what was proposed is in sight, and why"
    tab.screenshot("ui_decisions")
