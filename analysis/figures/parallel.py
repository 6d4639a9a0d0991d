"""Parallel coordinates: what each run was given, what it spent, and how well it serves."""

__all__ = ["parallel_coordinates"]

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.figures import common, style
from analysis.figures.style import Theme
from analysis.frame import data_form, finished, layers, one_dataset, rate_name, require, values
from analysis.settings import beta_names

_DOWNSTREAM = (
    "test/psnr",
    "test/reconstruction_r2",
    "test/accuracy_svm_rbf_z{L}_sampled",
    "test/r2_kernel_ridge_z{L}_sampled",
    "test/mi_z{L}",
    "sample/inception_score",
    "test/elbo",
)


def parallel_coordinates(
    frame: pd.DataFrame, metrics: Sequence[str] | None = None, *, color: str | None = None, theme: Theme = "light"
) -> go.Figure:
    """A line a finished run, through its βs (on log axes), its rates, and downstream metrics.

    Drag along an axis to keep the runs between; drag an axis to move it.

    Args:
        frame: runs of one data set.
        metrics: names in the store, from left to right after βs and rates; by default PSNR (R² of vectors), the
            accuracy of the SVM (RBF) or the R² of kernel ridge regression on samples of z_L, I(y; z_L), the inception
            score and the ELBO, as far as runs have them.
        color: the metric that colours the lines, brighter being better; the first of `metrics` by default.
        theme: light or dark paper.

    Raises:
        StoreError: several data sets, or no finished run has all of the metrics.
    """
    dataset, count = one_dataset(frame), layers(frame)
    given, rates = beta_names(count), [rate_name(layer) for layer in range(1, count + 1)]
    downstream = list(metrics) if metrics is not None else _known(frame, count)
    shade = color or (downstream[0] if downstream else rates[-1])
    rows = require(frame, *given, *rates, *dict.fromkeys([*downstream, shade]))
    axes = [*(_beta_axis(rows, name) for name in given), *(_axis(rows, name) for name in [*rates, *downstream])]
    scale = common.coloraxis(shade, data_form(frame))
    lines = go.Parcoords(
        dimensions=axes,
        ids=rows["run_id"].astype(str),
        line={"color": values(rows, shade), "coloraxis": "coloraxis"},
        labelfont={"size": 12},
        tickfont={"size": 11},
        rangefont={"size": 1, "color": "rgba(0,0,0,0)"},  # the ends are ticks, too
        labelside="top",
        name="run",
    )
    figure = common.blank("βs, rates and what they are good for", dataset, theme, x="", y="", colors=scale)
    figure.update_layout(xaxis=None, yaxis=None, margin={"t": 110, "l": 60})
    return figure.add_trace(lines)


def _known(frame: pd.DataFrame, count: int) -> list[str]:
    """Those of the default metrics that most finished runs have."""
    rows = finished(frame)
    names = [name.replace("{L}", str(count)) for name in _DOWNSTREAM]
    return [name for name in names if values(rows, name).notna().mean() > 0.5]


def _axis(rows: pd.DataFrame, name: str) -> dict[str, Any]:
    # Two lines have room above the ticks.
    label = style.wrapped(name, 14, "images").replace("[nats per<br>image]", "[nats]")
    return {"label": label, "values": values(rows, name), "name": name}


def _beta_axis(rows: pd.DataFrame, name: str) -> dict[str, Any]:
    """log10 β, with ticks that say β; β of zero stands one step below the least."""
    betas = values(rows, name)
    positive = betas[betas > 0]
    least = float(np.log10(positive.min())) if len(positive) else 0.0
    logs = pd.Series(least - 1, index=betas.index)
    logs[positive.index] = np.log10(positive)
    greatest = float(logs.max())
    ticks: list[float] = [*range(math.floor(least), math.ceil(greatest) + 1)]
    texts = [f"{10.0**exponent:g}" for exponent in ticks]
    if len(positive) < len(betas):
        ticks, texts = [least - 1, *ticks], ["0", *texts]
    span = [min(float(logs.min()), ticks[0]), max(greatest, ticks[-1])]
    return {
        "label": style.label(name),
        "values": logs,
        "tickvals": ticks,
        "ticktext": texts,
        "range": span,
        "name": name,
    }
