"""The MLflow UI for tests and for the pictures of docs/how-to/ui.md: what a visitor sees who has set nothing up."""

__all__ = ["enter", "wait_for_charts", "wait_for_images"]

from typing import Any

#: MLflow opens a panel beside the page on the first visit.
_NO_ASSISTANT = """
localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');
localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false');
"""


def enter(page: Any, address: str, shows: str) -> Any:
    """Open an address in a page of the browser and wait until it shows a text; the page."""
    page.add_init_script(_NO_ASSISTANT)
    page.goto(address)
    page.get_by_text(shows).first.wait_for()
    return page


def wait_for_charts(page: Any) -> None:
    """Wait until the contours (Plotly's) and the parallel coordinates are drawn."""
    for drawn in (".js-plotly-plot .main-svg", ".parcoords svg"):
        page.locator(drawn).first.wait_for()


def wait_for_images(page: Any, count: int) -> None:
    """Wait until so many pictures of runs are there, and loaded."""
    page.wait_for_function(
        """count => [...document.querySelectorAll('.rc-image img')].filter(
            image => image.complete && image.naturalWidth > 0).length >= count""",
        arg=count,
    )
