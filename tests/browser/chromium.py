"""Chromium without a window, as Playwright drives it."""

__all__ = ["executable", "started"]

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: Names that it goes by; $HIT_CHROMIUM names another one.
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
#: Its sandbox does not start for root, nor in most containers; it shows only what we made. Pictures are drawn without a
#: graphics card, on a machine that may be busy: only what is three-dimensional goes through one made of software.
_OPTIONS = ["--no-sandbox", "--disable-gpu-watchdog", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
_OPTIONS += ["--disable-gpu-compositing"]


def executable() -> str | None:
    """Where the browser is; None where there is none."""
    return os.environ.get("HIT_CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)


@contextmanager
def started() -> Iterator[Any]:
    """The browser (Playwright's), closed in the end."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=_OPTIONS)
        yield browser
        browser.close()
