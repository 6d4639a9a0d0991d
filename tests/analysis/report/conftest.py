"""Report pages that several tests look at."""

from collections.abc import Callable, Iterator

import pandas as pd
import pytest

from analysis.report import build, page, section
from tests.report_page import Page


@pytest.fixture(autouse=True)
def _small() -> Iterator[None]:
    """Leaves 4.8 MB of plotly.js out of the pages that are parsed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "get_plotlyjs", lambda: "var Plotly;")
        yield


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without galleries, which cost most of their time: for what a page says, not shows."""
    monkeypatch.setattr(section, "galleries", lambda *arguments: [])


@pytest.fixture(scope="session")
def whole(make_frame: Callable[..., pd.DataFrame]) -> str:
    """The page of 25 runs that have everything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "get_plotlyjs", lambda: "var Plotly;")
        return build(make_frame(5))


@pytest.fixture(scope="session")
def parsed(whole: str) -> Page:
    """The same, parsed."""
    return Page(whole)
