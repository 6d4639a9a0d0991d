"""The page as a whole: what the template fills in, and the file."""

__all__ = ["LOCAL_UI", "build", "write"]

import base64
import hashlib
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
import pandas as pd
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from analysis.figures import style
from analysis.recommendation.recommender import APPLICATIONS, application
from analysis.report import tables
from analysis.report.array_pool import embedded
from analysis.report.galleries import Histories
from analysis.report.section import section
from analysis.report.thumbnails import ROOM, Reader
from analysis.settings import settings
from analysis.suggested_commands import experiment_of, train_commands
from hit.errors import StoreError

#: Where `make ui` serves the MLflow UI.
LOCAL_UI = "http://127.0.0.1:5000"
_PAGE = Path(__file__).parent / "page"
#: In the order in which they use each other.
_SCRIPTS = ("numbers", "state", "pictures", "parallel", "profile", "inspector", "explorer", "table", "start")


def build(
    frame: pd.DataFrame,
    title: str = "Where should the model spend its information?",
    *,
    applications: Sequence[str] = (),
    source: str = "",
    base_url: str = LOCAL_UI,
    min_psnr: float | None = None,
    histories: Histories | None = None,
    pictures: Reader | None = None,
    generated: datetime | None = None,
) -> str:
    """The report as one HTML page without a single external resource.

    Runs are shown by setting (data set, architecture, protocol), one section each: numbers of different
    data sets never share a picture. A metric that no run has leaves its picture out and says which
    command measures it.

    Args:
        frame: one row a model, as `hit.store` makes it.
        title: heading of the page.
        applications: which of `APPLICATIONS` to recommend for; all of them by default.
        source: where the runs come from (experiment, filter), shown under the heading.
        base_url: address of an MLflow UI (http or https) that runs link to; another one, or none, gives no links.
        min_psnr: least PSNR in dB for compression; see `recommend`.
        histories: gives the rates by epoch of some rows of `frame`, for their paths through rate space; see
            `analysis.figures.training_paths`.
        pictures: gives the bytes of a run's artifact (run id, path), or None; small copies of reconstructions and
            samples are put into the page for as many runs as there is room for.
        generated: the moment that the page states; now by default.

    Raises:
        StoreError: an unknown application.
    """
    wanted = [application(name).name for name in applications] or [declared.name for declared in APPLICATIONS]
    # Any other scheme (javascript:) would run what a link says.
    url = base_url.rstrip("/") if urlsplit(base_url).scheme in ("http", "https") else ""
    found = settings(frame)
    sections = [
        section(
            setting,
            f"setting-{number}",
            applications=wanted,
            base_url=url,
            min_psnr=min_psnr,
            histories=histories,
            pictures=pictures,
            room=ROOM // len(found),
            others=found,
        )
        for number, setting in enumerate(found, start=1)
    ]
    scripts = [get_plotlyjs(), _script()]
    return (
        _environment()
        .get_template("report.html")
        .render(
            title=title,
            source=source,
            base_url=url,
            generated=(generated or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M %Z").strip(),
            overview=tables.overview(frame, url),
            sections=sections,
            make=train_commands(experiment_of(frame)),
            css=Markup(_resource("report.css")),  # noqa: S704 - our own file
            scripts=[Markup(script) for script in scripts],  # noqa: S704 - our own and Plotly's
            hashes=Markup(" ".join(f"'{_hash(script)}'" for script in scripts)),  # noqa: S704
            common=embedded(
                {
                    "base_url": url,
                    "templates": {theme: style.template(theme).to_plotly_json() for theme in style.THEMES},
                    "colorscales": style.BRIGHT_IS_GOOD,
                    "accent": style.EQUAL,
                }
            ),
        )
    )


def write(frame: pd.DataFrame, path: str | Path, title: str | None = None, **options: Any) -> Path:
    """Build the report and put it at `path` whole or not at all; `options` are those of `build`.

    Raises:
        StoreError: an unknown application, or the file cannot be written.
    """
    page = build(frame, title, **options) if title else build(frame, **options)
    target = Path(path)
    # The new page is complete before it takes the place of the old one.
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_text(page, encoding="utf-8")
        part.replace(target)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StoreError(f"output must be a file that can be written, got {str(path)!r}: {reason}") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    return target


def _code(text: str) -> Markup:
    """What stands between backticks, set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(Markup.escape(text))))  # noqa: S704


def _script() -> str:
    """Our scripts as one, whose names no other script sees."""
    return "\n".join(['(() => {\n"use strict";', *(_resource(f"{name}.js") for name in _SCRIPTS), "})();"])


def _hash(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_PAGE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "code": _code,
        "runs": tables.runs,
        "plain": style.plain,
        "sentence": tables.sentence,
        "best_run": tables.best_run_sentence,
    }
    return environment


@cache
def _resource(name: str) -> str:
    return (_PAGE / name).read_text(encoding="utf-8")
