"""Every picture of the report shows its runs under the page's own policy, in both themes and at three widths."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.report import write
from tests.browser.pixels import AREAS, coloured, edges
from tests.commands import PATIENCE_SECONDS
from tests.frames import drawing, grid_frame, paths, with_samples

OpenTab = Callable[..., Any]
DRAWN = "plot => plot.matches('.js-plotly-plot, .drawn')"
#: Pixels: a run's point has about 50, and some are under others.
ENOUGH = 20


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on 16 runs."""
    target = tmp_path_factory.mktemp("report") / "report.html"
    return write(with_samples(grid_frame(4)), target, histories=paths, pictures=drawing)


def shown(plot: Any) -> tuple[bytes, list[int]]:
    """What a plot looks like once it shows runs, and how many pixels of them each of its panels has."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not plot.evaluate(DRAWN) and time.monotonic() < deadline:
        time.sleep(0.05)
    while True:
        picture = plot.screenshot()
        counts = [coloured(picture, box) for box in plot.evaluate(AREAS)] if plot.evaluate(DRAWN) else [0]
        if min(counts) >= ENOUGH or time.monotonic() > deadline:
            return picture, counts
        time.sleep(0.2)


@pytest.mark.parametrize(
    ("width", "dark", "scale"),  # each theme, each scale, each width
    [(360, False, "linear"), (900, True, "linear"), (1280, False, "log")],
)
def test_every_picture_shows_runs(open_tab: OpenTab, report: Path, width: int, dark: bool, scale: str) -> None:
    tab = open_tab(report, width=width, dark=dark)
    tab.page.locator("select.scale").select_option(scale)
    plots = tab.page.locator(".plot")
    assert plots.count() == 29
    for at in range(plots.count()):
        plot = plots.nth(at)
        plot.scroll_into_view_if_needed()
        what = f"{at}: {plot.get_attribute('data-name')}"
        picture, counts = shown(plot)
        assert counts, what
        assert min(counts) >= ENOUGH, f"{what}: {counts}"
        if plot.evaluate("plot => Boolean(plot._fullLayout?.scene)"):
            assert len(edges(picture)) == 1, f"{what}: a title is cut off"
    tab.screenshot(f"report-{width}-{scale}-end")
    assert tab.errors == []
    assert tab.requests == []
    paper = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(23, 27, 32)" if dark else "rgb(255, 255, 255)")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width, "the page does not scroll sideways"


def test_an_empty_picture_is_told_from_a_drawn_one(open_tab: OpenTab, report: Path) -> None:
    tab = open_tab(report)
    plot = tab.page.locator(".map .plot")
    assert min(shown(plot)[1]) >= ENOUGH
    tab.page.evaluate("Plotly.restyle(document.querySelector('.map .plot'), { visible: false })")
    (box,) = plot.evaluate(AREAS)
    assert coloured(plot.screenshot(), box) < ENOUGH
