"""What the report says in words and tables, as records of inert markup."""

__all__ = [
    "Overview",
    "TargetRow",
    "overview",
    "run_columns",
    "run_heads",
    "run_link",
    "runs",
    "best_run_sentence",
    "sentence",
    "target_row",
]

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from markupsafe import Markup

from analysis.figures import style
from analysis.frame import column, data_form, errors, images_scored, layers, rate_name, values
from analysis.recommendation.gain_text import gain_sentence
from analysis.recommendation.recommender import Recommendation
from analysis.recommendation.text import held_sentence, rate_unit, region_sentences, region_sides, value_text
from analysis.settings import beta_names
from hit import schema
from hit.ui.views import run_page

#: The classifier whose accuracies, and the regression whose R², stand in the table of runs.
_PROBE, _REGRESSION = "svm_rbf", "kernel_ridge"


@dataclass(frozen=True)
class Overview:
    """What the store holds: runs by status, data sets, models, first and last day, failed runs."""

    statuses: list[tuple[str, int]]
    datasets: str
    models: str
    dates: str
    failed: list[tuple[Markup, str]]


@dataclass(frozen=True)
class TargetRow:
    """The best run for one application, in words.

    `sides` are those of the region (none where any place is as good), `hedge` says in a word or two why it is none that
    holds the optimum with a known probability, `trust` in sentences how far it is to be trusted.
    """

    name: str
    asked: str
    run: Markup
    betas: Markup
    rates: Markup
    value: Markup
    gain: Markup
    unit: str
    sides: list[Markup]
    hedge: str
    trust: Markup
    held: Markup


def overview(frame: pd.DataFrame, base_url: str) -> Overview:
    """What the store holds."""
    counts = column(frame, "status").value_counts()
    order = ["FINISHED", "RUNNING", "SCHEDULED", "FAILED", "KILLED"]
    shown = [name for name in order if name in counts or name in ("FINISHED", "RUNNING", "FAILED")]
    started = pd.to_datetime(column(frame, "start_time"), utc=True).dropna()
    days = sorted({started.min().date().isoformat(), started.max().date().isoformat()}) if len(started) else []
    failed = frame[column(frame, "status") == "FAILED"]
    return Overview(
        statuses=[(name.lower(), int(counts.get(name, 0))) for name in shown],
        datasets=_words(frame, "dataset"),
        models=_words(frame, "model"),
        dates=" to ".join(days),
        failed=[
            (run_link(row, base_url), "no reason recorded" if pd.isna(reason) else str(reason))
            for (_, row), reason in zip(failed.iterrows(), column(failed, "status_reason"), strict=True)
        ],
    )


def run_link(run: pd.Series | Mapping[Hashable, Any], base_url: str) -> Markup:
    """The run's name, linked to its page in the MLflow UI at `base_url` where one is given."""
    name = run.get("run_name")
    shown = Markup.escape(run["run_id"] if pd.isna(name) or not name else str(name))
    # Any other scheme (javascript:) would run what a link says.
    if not base_url.startswith(("http://", "https://")):
        return shown
    path = run_page(str(run.get("experiment_id")), str(run["run_id"]))
    return Markup('<a href="{}">{}</a>').format(base_url.rstrip("/") + path, shown)


def target_row(found: Recommendation, base_url: str) -> TargetRow:
    """One application's row of the table that a reader sees first."""
    count = found.region.layers
    asked = found.application.text
    if found.min_psnr is not None:
        asked += f" (PSNR of at least {style.number(found.min_psnr)} dB)"
    return TargetRow(
        name=found.application.name,
        asked=asked,
        run=run_link(found.run, base_url),
        betas=_named(found, beta_names(count), 3),
        rates=_named(found, [rate_name(layer) for layer in range(1, count + 1)], 3),
        value=_markup(_short(value_text(found))),
        gain=_markup(gain_sentence(found)),
        unit=rate_unit(found),
        sides=[_markup(text) for text in region_sides(found)],
        hedge=found.hedge,
        trust=_markup(" ".join(region_sentences(found))),
        held=_markup(held_sentence(found)),
    )


def run_columns(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The columns of the table of all runs that hold numbers, as far as a run fills them.

    Each is the name of a metric, and the decimals that its numbers are written with; β and seeds are written as they
    were asked for (None).
    """
    count = layers(frame)
    rates = [rate_name(layer) for layer in range(1, count + 1)]
    top = [f"test/mi_z{count}", f"test/accuracy_{_PROBE}_z{count}", f"test/accuracy_{_PROBE}_z{count}_sampled"]
    top += [f"test/r2_{_REGRESSION}_z{count}", f"test/r2_{_REGRESSION}_z{count}_sampled"]
    wanted = [*beta_names(count), "seed", *rates, *(["test/rate"] if count > 1 else []), "test/distortion"]
    wanted += ["test/elbo", "test/psnr", "test/reconstruction_r2", *top, "sample/inception_score"]
    known = {name: numbers for name in wanted if (numbers := values(frame, name)).notna().any()}
    return [{"name": name, "decimals": _decimals(numbers) if "/" in name else None} for name, numbers in known.items()]


def run_heads(frame: pd.DataFrame) -> list[Markup]:
    """Heads of the table of all runs: the run, its status, the columns of numbers, when it was started."""
    numbers = [_head(frame, column["name"]) for column in run_columns(frame)]
    return [Markup("run"), Markup("status"), *numbers, Markup("started")]


def _head(frame: pd.DataFrame, name: str) -> Markup:
    """Label and unit of a column, the largest standard error in it, and how many images an accuracy rests on."""
    largest = errors(frame, name).max()
    error = f"± up to {style.margin(largest)}" if largest > 0 else ""
    more = ", ".join(filter(None, [error, _images(frame, name)]))
    axis = schema.metric(name).of(data_form(frame)).axis
    return _markup(f"{axis} ({more})" if more else axis)


def _images(frame: pd.DataFrame, name: str) -> str:
    """'on 360 test images' of an accuracy of a latent; '' of others, or where no run says."""
    counts = images_scored(frame, name).dropna()
    told = f"on {style.span(counts.min(), counts.max(), 6)} test images"
    return "" if counts.empty else schema.per_example(told, data_form(frame))


def sentence(row: TargetRow) -> Markup:
    """What to do for one application, and how far that is known."""
    aim = Markup("aim at {} {}").format(Markup(", ").join(row.sides), row.unit) if row.sides else "aim anywhere"
    return Markup("For <strong>{}</strong> {}. {} {}").format(row.name, aim, row.trust, row.held)


def best_run_sentence(row: TargetRow) -> Markup:
    """What the best run for one application has, and what free β gain."""
    return Markup("The best run, {}, has {}. {}").format(row.run, row.value, row.gain)


def runs(count: int) -> str:
    """'1 run', '2 runs'."""
    return f"{count} run{'' if count == 1 else 's'}"


def _decimals(scores: pd.Series) -> int:
    """Decimals that give the largest score of a column four digits, so that its numbers stand under each other."""
    largest = scores.abs().max()
    return 0 if not largest > 0 else max(0, 3 - math.floor(math.log10(largest)))


def _named(found: Recommendation, names: list[str], digits: int) -> Markup:
    texts = [f"{schema.metric(name).label} = {style.number(float(found.run[name]), digits)}" for name in names]
    return Markup("<br>").join(_markup(text) for text in texts)


def _short(label: str) -> str:
    return label.removeprefix("total rate ")


def _markup(text: str) -> Markup:
    return Markup(style.markup(text))  # noqa: S704 - style.markup makes text inert


def _words(frame: pd.DataFrame, name: str) -> str:
    return ", ".join(sorted(column(frame, name).dropna().astype(str).unique()))
