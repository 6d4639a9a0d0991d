"""A real browser for tests: Chromium without a window, what goes wrong in its pages, and pictures of them."""

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import executable, started
from tests.commands import PATIENCE_SECONDS

OpenTab = Callable[..., "Tab"]


@dataclass
class Tab:
    """A page of the browser.

    Attributes:
        page: Playwright's page.
        errors: errors of its console, and exceptions that nobody caught.
        requests: addresses that it asked for, apart from files and data of its own.
    """

    page: Any
    _screenshots: Path
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def until(self, condition: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until a JavaScript expression is true.

        Playwright's own `wait_for_function` evaluates strings, which a page may forbid.
        """
        deadline = time.monotonic() + seconds
        while not self.page.evaluate(condition):
            assert time.monotonic() < deadline, f"it did not come true: {condition}"
            time.sleep(0.05)

    def screenshot(self, name: str, *, whole: bool = False) -> Path:
        """A picture of what the window shows, or of the whole page, as NAME.png."""
        path = self._screenshots / f"{re.sub(r'[^A-Za-z0-9-]+', '_', name)}.png"
        self.page.screenshot(path=path, full_page=whole)
        return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, as Playwright drives it; of a module, since its event loop would be in the way of others."""
    pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install -e '.[dev]'")
    if executable() is None:
        pytest.skip("needs Chromium: apt-get install chromium, or HIT_CHROMIUM=path of a Chrome")
    with started() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures go: $HIT_SCREENSHOTS, else a temporary folder."""
    chosen = os.environ.get("HIT_SCREENSHOTS")
    folder = Path(chosen) if chosen else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def open_tab(browser: Any, screenshots: Path) -> Iterator[OpenTab]:
    """A function that opens an address (or the file at a path) in a fresh window: `open_tab(address, width=360)`."""
    contexts: list[Any] = []

    def opened(
        address: str | Path, *, width: int = 1280, height: int = 900, dark: bool = False, touch: bool = False
    ) -> Tab:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            has_touch=touch,
        )
        contexts.append(context)
        context.set_default_timeout(120_000)  # machines may be busy
        tab = Tab(context.new_page(), screenshots)
        tab.page.on("console", lambda said: _note(tab.errors, said))
        tab.page.on("pageerror", lambda error: tab.errors.append(str(error)))
        tab.page.on("request", lambda request: _ask(tab.requests, request.url))
        tab.page.goto(address.absolute().as_uri() if isinstance(address, Path) else address)
        return tab

    yield opened
    for context in contexts:
        context.close()


def _note(errors: list[str], said: Any) -> None:
    if said.type == "error":
        errors.append(said.text)


def _ask(requests: list[str], url: str) -> None:
    if not url.startswith(("file:", "data:", "blob:", "about:")):
        requests.append(url)
