"""Pictures of rate space: pure functions from a frame, one row a model, to a Plotly figure."""

__all__ = ["beta_heatmap", "metric_against_rate", "rate_space", "targets"]

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis import marks, style
from analysis.heatmap import beta_heatmap
from analysis.recommend import Recommendation
from analysis.runs import layers, one_dataset, rate_name, require, values
from analysis.style import Theme

_OF_LATENT = re.compile(r"test/(accuracy_\w+?|mi)_z([1-9][0-9]*)(_sampled)?\Z")


def rate_space(
    frame: pd.DataFrame, color_metric: str, *, pair: tuple[int, int] | None = None, theme: Theme = "light"
) -> go.Figure:
    """Every finished run in the plane of two rates, coloured by a metric; brighter is better.

    Thin lines join points of equal total rate. Rings mark runs whose βs are all equal, a star β = 1.
    For one layer the plane is (R_1, D), whose lines are those of equal −ELBO.

    Args:
        frame: runs of one data set.
        color_metric: name of the metric in the store.
        pair: the layers on the x and the y axis, by default the lowest and the top one.
        theme: light or dark paper.

    Raises:
        StoreError: several data sets, or no finished run has the metric and the rates.
    """
    dataset = one_dataset(frame)
    count = layers(frame)
    (first, second), (across, up) = marks.pair_of(count, pair), marks.plane(count, pair)
    rows = require(frame, across, up, color_metric)
    x, y = values(rows, across), values(rows, up)
    figure = marks.blank(f"{style.title_of(color_metric)} over rate space", dataset, theme)
    marks.equal_totals(figure, x, y, marks.total_name(count, first, second))
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="markers",
            name="run",
            marker={"color": values(rows, color_metric), "coloraxis": "coloraxis"},
            **marks.hover(rows, color_metric),
            showlegend=False,
        )
    )
    figure.add_traces(marks.symbols(rows, x, y))
    return figure.update_layout(
        xaxis_title_text=style.label(across), yaxis_title_text=style.label(up), coloraxis=marks.coloraxis(color_metric)
    )


def targets(
    frame: pd.DataFrame,
    recommendations: Sequence[Recommendation],
    *,
    pair: tuple[int, int] | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Rate space with, for each application, its best run and a box around its best few.

    Args:
        frame: runs of one data set.
        recommendations: what `recommend` found in this frame.
        pair: the layers on the x and the y axis, by default the lowest and the top one.
        theme: light or dark paper.

    Raises:
        StoreError: several data sets, or no finished run has the rates.
    """
    dataset = one_dataset(frame)
    count = layers(frame)
    (first, second), (across, up) = marks.pair_of(count, pair), marks.plane(count, pair)
    rows = require(frame, across, up)
    x, y = values(rows, across), values(rows, up)
    figure = marks.blank("Which region to target", dataset, theme)
    marks.equal_totals(figure, x, y, marks.total_name(count, first, second))
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="markers",
            name="run",
            marker={"color": style.MUTED, "size": 6, "opacity": 0.6},
            **marks.hover(rows),
        )
    )
    for index, found in enumerate(recommendations):
        color, symbol = style.CATEGORIES[index % len(style.CATEGORIES)]
        if count > 1:
            outline_x, outline_y = marks.region_outline(found.region, first, second)
            outline = go.Scatter(x=outline_x, y=outline_y, mode="lines", fill="toself", fillcolor=f"{color}40")
            outline.update(line={"color": color, "width": 2}, hoverinfo="skip", showlegend=False)
            figure.add_trace(outline)
        else:  # a region of one rate has no say in the distortion
            figure.add_vrect(found.region.low[0], found.region.high[0], fillcolor=color, opacity=0.25, line_width=0)
        best = found.run.to_frame().T
        figure.add_trace(
            go.Scatter(
                x=values(best, across),
                y=values(best, up),
                mode="markers",
                name=found.application.name,
                marker={"color": color, "symbol": symbol, "size": 14, "line": {"width": 1.5, "color": "#ffffff"}},
                **marks.hover(best, found.metric.name),
            )
        )
    return figure.update_layout(xaxis_title_text=style.label(across), yaxis_title_text=style.label(up))


def metric_against_rate(frame: pd.DataFrame, metric: str, *, theme: Theme = "light") -> go.Figure:
    """A metric of every finished run against the rate that bounds it, coloured by log10(β_L / β_1).

    That rate is the total R; for an accuracy of z_l and for I(y; z_l) it is R_l + … + R_L. The line is
    then the bound: f(α) ≤ R for accuracies (see `hit.metrics.bounds`), min(R, H(y)) for I(y; z_l).
    It holds for classifiers that see samples of z_l: these are drawn as diamonds beside those on means.

    Raises:
        StoreError: several data sets, or no finished run has the metric and the rates.
    """
    dataset = one_dataset(frame)
    count = layers(frame)
    of_latent = _OF_LATENT.match(metric)
    layer = int(of_latent[2]) if of_latent else 1
    rows = require(frame, metric, *(rate_name(above) for above in range(layer, count + 1)))
    x, y = marks.information_bound(rows, layer), values(rows, metric)
    shades, axis = marks.colors(rows)
    figure = marks.blank(f"{style.title_of(metric)} against rate", dataset, theme)
    if of_latent:
        _add_bound(figure, rows, x, layer, accuracy=of_latent[1] != "mi")
    sampled = values(rows, f"{metric}_sampled").dropna()
    series = [(metric, y, "circle")]
    if len(sampled):
        series.append((f"{metric}_sampled", sampled, "diamond-open"))
    for name, scores, symbol in series:
        shown = rows.loc[scores.index]
        figure.add_trace(
            go.Scatter(
                x=x[scores.index],
                y=scores,
                mode="markers",
                name=name,
                marker={"color": shades[scores.index], "coloraxis": "coloraxis", "symbol": symbol},
                **marks.hover(shown, name),
                showlegend=False,
            )
        )
    y_title = style.label(metric)
    if len(sampled):
        y_title = y_title.removesuffix(" on means")
        figure.add_traces([marks.legend_entry("on means", "circle"), marks.legend_entry("on samples", "diamond-open")])
    figure.add_traces(marks.symbols(rows, x, y))
    return figure.update_layout(
        title_text=figure.layout.title.text.replace(" on means", "") if len(sampled) else figure.layout.title.text,
        xaxis_title_text=_rate_title(layer, count),
        yaxis_title_text=y_title,
        coloraxis=axis,
    )


def _rate_title(layer: int, count: int) -> str:
    if layer == count:
        return style.label(rate_name(count))
    if layer == 1:
        return style.label("test/rate")
    total = " + ".join(f"R_{above}" for above in range(layer, count + 1))
    return style.markup(f"{total} [nats per image]")


def _add_bound(figure: go.Figure, rows: pd.DataFrame, x: pd.Series, layer: int, *, accuracy: bool) -> None:
    """The line that the metric cannot cross, up to the rate of the last run."""
    entropy = values(rows, "test/label_entropy").dropna()
    if entropy.empty:
        return
    # Dense where the bound bends: it reaches its end at R = H(y), often far left of the last run.
    bend, last = float(entropy.iloc[0]), float(x.max())
    # Runs that are all far beyond the bend need not see it: the axis would be drawn for the line alone.
    first = 0.0 if x.min() < 2 * bend else float(x.min())
    rates = np.unique(np.concatenate([np.linspace(first, max(first, min(bend, last)), 120), [last]]))
    if accuracy:
        y = marks.bound_line(rates.tolist(), float(entropy.iloc[0]), marks.classes(rows, layer))
    else:
        y = np.minimum(rates, entropy.iloc[0])
    figure.add_trace(
        go.Scatter(
            x=rates,
            y=y,
            mode="lines",
            name="bound from the rate" if accuracy else "min(R, H(y))",
            line={"color": style.MUTED, "width": 2, "dash": "dash"},
            hoverinfo="skip",
        )
    )
