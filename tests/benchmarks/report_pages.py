"""How large a report is and how long it takes to build, to open and to brush, at three numbers of runs.

    python -m tests.benchmarks.report_pages
    python -m tests.benchmarks.report_pages --runs 441 --keep /tmp/pages

Runs are synthetic, each with its pictures (28 pixels), 24 epochs and a standard error of every metric that has one
(`--without_errors`: without). Times to open are of a Chromium without a window
and without a graphics card: until rate space is drawn, on the clock and as time of the CPU of the page's main thread,
which a busy machine does not change.
"""

import argparse
import math
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.report import write
from hit.schema import error_of
from tests.browser.chromium import started
from tests.frames import drawing, grid_frame, paths, with_samples

_DRAWN = "document.querySelector('.map .plot').classList.contains('js-plotly-plot')"


def main() -> None:
    """Print a line a number of runs."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, nargs="+", default=[441, 5000, 10_000])
    options.add_argument("--without_errors", action="store_true")
    options.add_argument("--keep", type=Path, help="folder that the pages stay in")
    asked = options.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs")
    for count in asked.runs:
        with tempfile.TemporaryDirectory() as folder:
            page = (asked.keep or Path(folder)) / f"report-{count}.html"
            print(f"{count} runs: {_built(count, page, not asked.without_errors)}; {_opened(page)}", flush=True)


def _built(count: int, page: Path, errors: bool = True) -> str:
    frame = with_samples(grid_frame(math.ceil(math.sqrt(count))).head(count))
    if errors:
        known = {error_of(name): 0.02 * frame[name].abs() for name in frame.columns if error_of(name)}
        frame = pd.concat([frame, pd.DataFrame(known)], axis=1)
    known = paths(frame, epochs=24)
    few = [drawing(f"{at:032x}", "pictures/samples.png") for at in range(32)]
    start, cpu = time.perf_counter(), time.process_time()
    write(
        frame,
        page,
        histories=lambda some: known[known["run_id"].isin(some["run_id"])],
        pictures=lambda run_id, artifact: few[int(run_id[:8], 16) % 32],
    )
    passed = f"{time.perf_counter() - start:.1f} s ({time.process_time() - cpu:.1f} s of CPU)"
    return f"built in {passed}, {page.stat().st_size / 1e6:.1f} MB"


def _opened(page: Path) -> str:
    with started() as browser:
        window = browser.new_page(viewport={"width": 1280, "height": 900})
        window.set_default_timeout(600_000)
        session = window.context.new_cdp_session(window)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        start = time.perf_counter()
        window.goto(page.absolute().as_uri(), wait_until="commit")
        _until(window, _DRAWN)
        opened, cpu = time.perf_counter() - start, _cpu(session)
        start = time.perf_counter()
        window.locator("[data-end=x0]").fill("20")
        window.locator("[data-end=x0]").press("Tab")
        _until(window, "document.querySelector('.map .plot').data.some((one) => one.selectedpoints)")
        brushed, brush = time.perf_counter() - start, _cpu(session) - cpu
    return f"opened in {opened:.1f} s ({cpu:.1f} s of CPU), a region selected in {brushed:.1f} s ({brush:.1f} s of CPU)"


def _cpu(session: Any) -> float:
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in metrics if one["name"] == "TaskDuration"))


def _until(window: Any, condition: str) -> None:
    while not window.evaluate(condition):
        time.sleep(0.02)


if __name__ == "__main__":
    main()
