"""`python -m tests.screenshots`: the pictures of the MLflow UI for docs/how-to/ui.md, of the demo's store."""

__all__ = ["main"]

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from PIL import Image

from hit.connection.addresses import tracking_uri
from hit.ui.views import charts_page
from tests.mlflow_ui import enter, wait_for_charts, wait_for_images
from tests.stores import Server

_PATIENCE_MS = 40_000
#: Runs in the comparison: all of them are a table that no picture can hold.
_COMPARED = 16
#: Their metrics in the comparison's picture.
_DRAWN = ("test/rate_1", "test/rate_2", "test/psnr")


def main() -> None:
    """Start the UI, visit its pages, leave docs/ui_*.png."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--store", default="", help="an SQLite store with a sweep and registered models")
    options.add_argument("--experiment", default="hit")
    options.add_argument("--output", type=Path, default=Path(__file__).resolve().parent.parent / "docs")
    asked = options.parse_args()
    uri = tracking_uri(asked.store)

    from playwright.sync_api import sync_playwright

    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(asked.experiment).experiment_id
    finished = client.search_runs(
        [experiment], "tags.`hit.kind` = 'train' and attributes.status = 'FINISHED'", order_by=["start_time ASC"]
    )
    models = finished[:_COMPARED]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder) / "ui", uri)
        server.start()
        path = os.environ.get("HIT_CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        try:
            charts = server.uri + charts_page(experiment)
            _charts(_page(browser, 1500, 1660), charts, len(finished), asked.output / "ui_charts.png")
            ids = json.dumps([run.info.run_id for run in models]).replace(" ", "")
            compared = f'{server.uri}/#/compare-runs?runs={ids}&experiments=["{experiment}"]'
            _comparison(_page(browser, 1500, 1150), compared, asked.output / "ui_comparison.png")
            alias = client.get_model_version_by_alias("hit-digits", "representation")
            version = f"{server.uri}/#/models/hit-digits/versions/{alias.version}?workflowType=machine_learning"
            _registry(_page(browser, 1500, 800), version, asked.output / "ui_registry.png")
        finally:
            browser.close()
            server.stop()


def _page(browser: Any, width: int, height: int) -> Any:
    page = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce").new_page()
    page.set_default_timeout(_PATIENCE_MS)
    return page


def _charts(page: Any, address: str, runs: int, path: Path) -> None:
    enter(page, address, f"{runs} matching runs")
    wait_for_charts(page)
    wait_for_images(page, 10)
    _save(page, path)


def _comparison(page: Any, address: str, path: Path) -> None:
    enter(page, f"{address}&workflowType=machine_learning", f"Comparing {_COMPARED} Runs")
    page.locator(".js-plotly-plot .main-svg").first.wait_for()
    shown = page.locator(".du-bois-light-select-multiple").nth(1).locator("input")
    shown.click()
    shown.press("Backspace")  # MLflow begins with the first metric, which is beta_1 once more
    for metric in _DRAWN:
        shown.fill(metric)
        page.locator(f".du-bois-light-select-item-option[title='{metric}']").click()
    shown.press("Escape")
    page.get_by_text("Run details").click()  # ids and times of one machine
    page.get_by_role("switch").first.click()  # parameters that differ
    page.wait_for_timeout(2_000)  # the plot is drawn anew
    _save(page, path)


def _registry(page: Any, address: str, path: Path) -> None:
    enter(page, address, "The best for")
    _save(page, path)


def _save(page: Any, path: Path) -> None:
    page.screenshot(path=path, animations="disabled")
    with Image.open(path) as shot:  # 256 colours are enough, and a third of the bytes
        shot.convert("RGB").quantize(256).save(path, optimize=True)
    print(f"{path} ({path.stat().st_size / 1000:.0f} kB)", flush=True)


if __name__ == "__main__":
    main()
