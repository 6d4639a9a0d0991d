"""The picture of a report that the README shows.

    python -m docs.report_picture report.html [docs/report.png [density]]

Takes the first screen of a page that `mlflow run . -e report` or `make demo` wrote, in Chromium, once its rate space is
drawn, for one of its applications.
"""

import sys
import time
from pathlib import Path

from tests.browser.chromium import started

_DRAWN = "document.querySelector('.map .plot')?.classList.contains('js-plotly-plot') ?? false"


def main(page: str, picture: str = "docs/report.png", application: str = "density") -> None:
    """Take the picture of the page."""
    with started() as browser:
        window = browser.new_page(viewport={"width": 1280, "height": 1180}, color_scheme="light")
        window.goto(Path(page).absolute().as_uri(), wait_until="commit", timeout=120_000)
        while not window.evaluate(_DRAWN):
            time.sleep(0.1)
        window.locator(".switch label", has_text=application).click()
        time.sleep(3)  # for the fonts of the picture's labels
        window.screenshot(path=picture, timeout=120_000)


if __name__ == "__main__":
    main(*sys.argv[1:])
