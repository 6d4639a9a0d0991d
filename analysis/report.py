"""The report: one page that works offline and says which region of rate space to target for what."""

__all__ = ["build", "write"]

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from analysis import figures, style, tables
from analysis.comparable import Setting, settings
from analysis.recommend import APPLICATIONS, Recommendation, application, recommend
from analysis.runs import column, evaluate_command, finished, values
from analysis.verdicts import Verdict, verdict
from hit import schema
from hit.errors import StoreError
from hit.metric_groups import OPTIONAL

#: A picture of fewer runs than these says less than the table.
_FEWEST = 3
_PAGE = Path(__file__).parent / "page"
#: Depends on β itself, says the same as another, or is about the evaluation.
_NOT_DRAWN = (
    "test/objective",
    "test/bits_per_dim",
    "test/seconds",
    "sample/seconds",
    "test/cross_entropy",
    "test/accuracy",
)


@dataclass(frozen=True)
class _Picture:
    heading: Markup
    alt: str
    name: str
    json: Markup


@dataclass(frozen=True)
class _Gallery:
    """Pictures under one heading, with a sentence on what to read from them and one on what is missing."""

    heading: str
    text: str
    wide: bool
    pictures: list[_Picture]
    notes: list[str]


@dataclass(frozen=True)
class _Section:
    """All about one setting: what the page's template fills in."""

    anchor: str
    title: str
    details: str
    finished: int
    total: int
    targets: list[tables.TargetRow]
    notes: list[str]
    galleries: list[_Gallery]
    bounds: Verdict | None
    heads: list[Markup]
    rows: list[list[tables.Cell]]


def build(
    frame: pd.DataFrame,
    title: str = "Where should the model spend its information?",
    *,
    applications: Sequence[str] = (),
    source: str = "",
    base_url: str = "",
    min_psnr: float | None = None,
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
        base_url: address of an MLflow UI (http or https) that run names link to.
        min_psnr: least PSNR in dB for compression; see `recommend`.
        generated: the moment that the page states; now by default.

    Raises:
        StoreError: an unknown application.
    """
    wanted = [application(name).name for name in applications] or [declared.name for declared in APPLICATIONS]
    sections = [
        _section(setting, f"setting-{number}", wanted, base_url, min_psnr)
        for number, setting in enumerate(settings(frame), start=1)
    ]
    scripts = [get_plotlyjs(), _resource("report.js")]
    return (
        _environment()
        .get_template("report.html")
        .render(
            title=title,
            source=source,
            generated=(generated or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M %Z").strip(),
            overview=tables.overview(frame, base_url),
            sections=sections,
            css=Markup(_resource("report.css")),  # noqa: S704 - our own file
            scripts=[Markup(script) for script in scripts],  # noqa: S704 - our own and Plotly's
            hashes=Markup(" ".join(f"'{_hash(script)}'" for script in scripts)),  # noqa: S704
            templates=_embedded({theme: style.template(theme).to_plotly_json() for theme in style.THEMES}),
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


def _section(
    setting: Setting, anchor: str, applications: Iterable[str], base_url: str, min_psnr: float | None
) -> _Section:
    frame, done = setting.frame, finished(setting.frame)
    found: list[Recommendation] = []
    notes: list[str] = []
    for name in applications:
        try:
            found.append(recommend(frame, name, min_psnr=min_psnr))
        except StoreError as error:
            if len(done):
                notes.append(f"No recommendation for {name}: {error}.")
    for tag, what in (("evaluator", "evaluators"), ("judge", "classifiers that judge samples")):
        evaluators = column(done, tag).dropna().unique()
        if len(evaluators) > 1:
            notes.append(
                f"Scores come from {len(evaluators)} {what} and do not compare: those of the commonest are used. "
                f"One measures all by `{evaluate_command(frame)}`."
            )
    if len(done) < _FEWEST:
        notes.append(f"Pictures begin at {_FEWEST} finished runs of one setting; this one has {len(done)}.")
    heads, rows = tables.runs_table(frame, base_url)
    return _Section(
        anchor=anchor,
        title=setting.title,
        details=", ".join(f"{name} {value}" for name, value in setting.details.items()),
        finished=len(done),
        total=len(frame),
        targets=[tables.target_row(one, base_url) for one in found],
        notes=notes,
        galleries=_galleries(setting, found) if len(done) >= _FEWEST else [],
        bounds=verdict(frame, base_url),
        heads=heads,
        rows=rows,
    )


def _galleries(setting: Setting, found: Sequence[Recommendation]) -> list[_Gallery]:
    frame, count = setting.frame, setting.layers
    accuracy = application("representation").metric_of(count).name
    rates = [f"test/rate_{layer}" for layer in range(1, count + 1)]
    scores = [
        declared.name
        for declared in schema.layer_metrics(count)
        if declared.direction is not None
        and declared.name.startswith(("test/", "sample/"))
        and declared.name not in _NOT_DRAWN
        and not declared.name.startswith("test/bound")
        and not declared.name.startswith("test/mi_ksg")
        and not declared.name.endswith("_sampled")  # drawn beside the accuracy on means
    ]
    plane = ["test/psnr", accuracy, *(["test/distortion"] if count > 1 else [])]
    space = "the plane of rate and distortion" if count == 1 else "rate space"
    return [
        _gallery(
            f"Runs in {space}",
            "A point is a run; brighter is better. Thin lines join points of equal "
            + ("−ELBO." if count == 1 else "total rate: along one, information moves between the layers."),
            frame,
            [("test/rate", partial(figures.targets, frame, found)), *_calls(figures.rate_space, frame, plane)],
            wide=True,
        ),
        _gallery(
            "Over β",
            "The line joins the means of the runs at each β."
            if count == 1
            else "A cell is the mean of the runs at these βs, and a cross a cell where none has finished. "
            "Where the βs lie on no grid, a point is a run.",
            frame,
            _calls(figures.beta_heatmap, frame, ["test/psnr", accuracy, "test/elbo", "test/distortion", *rates]),
        ),
        _gallery(
            "Each metric against the rate that bounds it",
            "Dashed lines are bounds: no classifier of samples of a latent, and no information about the class "
            "in it, can exceed what its rate allows.",
            frame,
            _calls(figures.metric_against_rate, frame, scores),
        ),
    ]


def _calls(
    draw: Callable[[pd.DataFrame, str], go.Figure], frame: pd.DataFrame, names: Iterable[str]
) -> list[tuple[str, Callable[[], go.Figure]]]:
    return [(name, partial(draw, frame, name)) for name in names]


def _gallery(
    heading: str,
    text: str,
    frame: pd.DataFrame,
    calls: Iterable[tuple[str, Callable[[], go.Figure]]],
    *,
    wide: bool = False,
) -> _Gallery:
    pictures: list[_Picture] = []
    absent: list[str] = []
    partly: list[str] = []
    done = finished(frame)
    measure = f"What is missing is measured by `{evaluate_command(frame)}`."
    for name, draw in calls:
        label = schema.metric(name).label
        measured = int(values(done, name).notna().sum())
        try:
            pictures.append(_picture(name, draw()))
        except StoreError:
            if name not in OPTIONAL:
                absent.append(label)
            continue
        if measured < len(done):
            partly.append(f"{label} ({len(done) - measured} of {len(done)})")
    notes = []
    if absent:
        notes.append(f"No finished run has {'; '.join(absent)}, so that no picture shows it. {measure}")
    if partly:
        notes.append(f"Finished runs that lack a metric are left out: {'; '.join(partly)}. {measure}")
    return _Gallery(heading, text, wide, pictures, notes)


def _picture(name: str, figure: go.Figure) -> _Picture:
    content = json.loads(figure.to_json())
    layout = content["layout"]
    # The page supplies the template of the reader's theme, and sets the title as a heading.
    del layout["template"]
    heading = Markup(layout.pop("title")["text"].rpartition(" · ")[0])  # noqa: S704 - made inert by analysis.style
    return _Picture(heading, heading.striptags(), name.replace("/", "-"), _embedded(content))


def _embedded(content: object) -> Markup:
    """JSON for a script element, which no text in it can leave."""
    text = content if isinstance(content, str) else json.dumps(content, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704


def _code(text: str) -> Markup:
    """What stands between backticks, set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(Markup.escape(text))))  # noqa: S704


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
    environment.filters |= {"code": _code, "runs": tables.runs}
    return environment


@cache
def _resource(name: str) -> str:
    return (_PAGE / name).read_text(encoding="utf-8")
