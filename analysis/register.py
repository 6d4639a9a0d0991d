"""What was recommended, in MLflow's model registry under an alias: `models:/hit-digits@representation`."""

__all__ = ["description", "register", "register_all"]

import logging
from collections.abc import Iterable

import pandas as pd

from analysis.recommendation.gain_text import gain_sentence
from analysis.recommendation.recommender import APPLICATIONS, Recommendation, recommend
from analysis.recommendation.text import rate_unit, region_sentences, value_text
from hit.errors import StoreError
from hit.serving.model_registry import Registered, register_run
from hit.store import Store

_LOG = logging.getLogger(__name__)


def register(recommendation: Recommendation, tracking_uri: str | None = None) -> Registered:
    """Register the best run of a recommendation as `hit-<dataset>`, with the application for an alias.

    A run is registered once, however often it is the best: what moves is the alias.

    Args:
        recommendation: of `analysis.recommend`.
        tracking_uri: the store; by default what `MLFLOW_TRACKING_URI` says, else `sqlite:///mlflow.db`.

    Raises:
        StoreError: the registry does not answer or refuses, or the run's model cannot be had.
    """
    run_id = str(recommendation.run["run_id"])
    return register_run(
        Store(tracking_uri), run_id, alias=recommendation.application.name, text=description(recommendation)
    )


def register_all(frame: pd.DataFrame, names: Iterable[str] = (), tracking_uri: str | None = None) -> list[Registered]:
    """Register the best run of each data set for each application, for all applications where none is named.

    What cannot be recommended, since no run has the metric, is told on stderr, by one line.

    Raises:
        StoreError: nothing can be recommended, or as `register`.
    """
    names = list(names) or [declared.name for declared in APPLICATIONS]
    done: list[Registered] = []
    missing: list[str] = []
    for dataset, rows in frame.groupby("dataset"):
        for name in names:
            try:
                recommendation = recommend(rows, name)
            except StoreError as error:
                missing.append(f"{dataset}, {name}: not registered: {error}")
                continue
            done.append(register(recommendation, tracking_uri))
    if not done:
        raise StoreError("; ".join(missing))
    for line in missing:
        _LOG.warning("%s", line)
    return done


def description(recommendation: Recommendation) -> str:
    """The run, its score, the region of rate space and the gain, with how far they are known, in markdown."""
    run, metric = recommendation.run, recommendation.metric
    _, _, value = value_text(recommendation).partition(" = ")
    lines = [
        f"Of {recommendation.candidates} runs the best for **{recommendation.application.name}**: "
        f"{recommendation.application.text}.",
        "",
        "| | |",
        "|---|---|",
        f"| run | {run['run_name']} (`{run['run_id']}`) |",
        f"| {metric.label} | {value} |",
    ]
    box, unit = recommendation.region, rate_unit(recommendation)
    for layer in range(len(box.low), 0, -1):
        own, low, high = run[f"test/rate_{layer}"], box.low[layer - 1], box.high[layer - 1]
        lines.append(f"| R_{layer} | {own:.4g}, region {low:.3g} to {high:.3g} {unit} |")
    lines.append(f"| R | {run['test/rate']:.4g}, region {box.total_low:.3g} to {box.total_high:.3g} {unit} |")
    lines = [line.replace(" | ", "&emsp; | ", 1) for line in lines]  # the UI leaves no space between columns
    lines += ["", "**The region**: " + " ".join(region_sentences(recommendation)), "", gain_sentence(recommendation)]
    return "\n".join(lines)
