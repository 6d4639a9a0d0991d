"""The documentation site: built without a warning, its links lead somewhere, and what it quotes is what is said."""

import os
import re
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from docs.conf import without_mathjax
from tests.commands import PATIENCE_SECONDS, ROOT
from tests.forked_commands import run_forked

_NEEDED = ("sphinx", "furo", "myst_nb")
_MISSING = [name for name in _NEEDED if find_spec(name) is None]


class _Page(HTMLParser):
    """Where a page leads, what can be led to, and its pictures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            elif name in ("href", "src") and value:
                self.targets.append(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if _MISSING:
        pytest.skip(f"needs {', '.join(_MISSING)}: pip install -e '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    environment = {name: value for name, value in os.environ.items() if name != "HIT_DOCS_EXECUTE"}
    words = ["sphinx", "-q", "-W", "--keep-going", "-c", "docs", "-b", "html", "-d", str(folder / "doctrees")]
    words += [".", str(folder / "html")]
    built = run_forked(words, cwd=ROOT, env=environment, timeout=PATIENCE_SECONDS)
    assert built.returncode == 0, built.stderr[-3000:]
    return folder / "html"


def test_every_link_of_the_site_leads_somewhere(site: Path) -> None:
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    assert len(pages) > 30
    for path, page in pages.items():
        for target in page.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            found = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert found.exists(), f"{path.relative_to(site)}: {target}"
            if parts.fragment and found in pages:
                assert unquote(parts.fragment) in pages[found].anchors, f"{path.relative_to(site)}: {target}"


def test_nothing_is_fetched_from_elsewhere_to_show_a_page(site: Path) -> None:
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        fetched = re.findall(r"<(?:script|img|iframe)[^>]* src=\"(https?:[^\"]+)", text)
        fetched += re.findall(r"<link[^>]* rel=\"stylesheet\"[^>]* href=\"(https?:[^\"]+)", text)
        assert not fetched, f"{path.relative_to(site)}: {fetched}"


def test_figures_of_plotly_ask_no_server_for_mathjax() -> None:
    """They are there in a site whose tutorial was executed."""
    asks = '<script src="https://cdnjs.cloudflare.com/ajax/libs/mathjax/3.2.2/es5/tex-svg.min.js"></script>'
    context = {"body": f"<p>{asks}</p>"}
    without_mathjax(None, "tutorial", "page.html", context, None)
    assert context["body"] == "<p></p>"


def test_what_troubleshooting_quotes_is_what_the_code_says() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ") and "the line says" not in line]
    quoted = [piece for row in rows for piece in re.findall(r"`([^`]+)`", row)]
    assert len(quoted) > 20
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for part in ("hit", "sweeps", "analysis")
        for path in (ROOT / part).rglob("*.py")
    )
    missing = [piece for piece in quoted if piece not in sources]
    assert not missing
