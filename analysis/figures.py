"""Pictures of rate space: pure functions from a frame, one row a model, to a Plotly figure."""

__all__ = ["beta_heatmap", "metric_against_rate", "rate_space", "targets"]

import re
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from analysis import bounds, marks, style
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
    dataset, count = one_dataset(frame), layers(frame)
    across, up = marks.plane(count, pair)
    rows = require(frame, across, up, color_metric)
    x, y = values(rows, across), values(rows, up)
    figure = marks.blank(
        f"{style.title_of(color_metric)} over {'rate and distortion' if count == 1 else 'rate space'}",
        dataset,
        theme,
        x=style.label(across),
        y=style.label(up),
        colors=marks.coloraxis(color_metric),
    )
    marks.equal_totals(figure, x, y, marks.total_name(count, pair))
    marker = {"color": values(rows, color_metric), "coloraxis": "coloraxis"}
    return figure.add_traces([marks.points(rows, x, y, "run", marker, color_metric), *marks.symbols(rows, x, y)])


def targets(
    frame: pd.DataFrame,
    recommendations: Sequence[Recommendation],
    *,
    pair: tuple[int, int] | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Rate space with, for each application, its best run and the region that its best few span.

    Args:
        frame: runs of one data set.
        recommendations: what `recommend` found in this frame.
        pair: the layers on the x and the y axis, by default the lowest and the top one.
        theme: light or dark paper.

    Raises:
        StoreError: several data sets, or no finished run has the rates.
    """
    dataset, count = one_dataset(frame), layers(frame)
    across, up = marks.plane(count, pair)
    rows = require(frame, across, up)
    x, y = values(rows, across), values(rows, up)
    figure = marks.blank("Which region to target", dataset, theme, x=style.label(across), y=style.label(up))
    marks.equal_totals(figure, x, y, marks.total_name(count, pair))
    figure.add_trace(marks.points(rows, x, y, "run", {"color": style.MUTED, "size": 6, "opacity": 0.6}))
    for index, found in enumerate(recommendations):
        color, symbol = style.CATEGORIES[index % len(style.CATEGORIES)]
        if count > 1:
            outline_x, outline_y = marks.region_outline(found.region, marks.pair_of(count, pair))
            line = {"color": color, "width": 2}
            fill = {"fill": "toself", "fillcolor": f"{color}40", "hoverinfo": "skip", "showlegend": False}
            figure.add_trace(go.Scatter(x=outline_x, y=outline_y, mode="lines", line=line, **fill))
        else:  # a region of one rate has no say in the distortion
            figure.add_vrect(found.region.low[0], found.region.high[0], fillcolor=color, opacity=0.25, line_width=0)
        best = found.run.to_frame().T
        marker = {"color": color, "symbol": symbol, "size": 14, "line": {"width": 1.5, "color": "#ffffff"}}
        where = values(best, across), values(best, up)
        point = marks.points(best, *where, found.application.name, marker, found.metric.name)
        figure.add_trace(point.update(showlegend=True))
    return figure


def metric_against_rate(frame: pd.DataFrame, metric: str, *, theme: Theme = "light") -> go.Figure:
    """A metric of every finished run against the rate that bounds it, coloured by log10(β_L / β_1).

    That rate is the total R; for an accuracy of z_l and for I(y; z_l) it is R_l + … + R_L. The line is
    then the bound: f(α) ≤ R for accuracies (see `hit.metrics.bounds`), min(R, H(y)) for I(y; z_l).
    It holds for classifiers that see samples of z_l: these are drawn as diamonds beside those on means.

    Args:
        frame: runs of one data set.
        metric: name of the metric in the store.
        theme: light or dark paper.

    Raises:
        StoreError: several data sets, or no finished run has the metric and the rates.
    """
    dataset, count = one_dataset(frame), layers(frame)
    of_latent = _OF_LATENT.match(metric)
    layer = int(of_latent[2]) if of_latent else 1
    rows = require(frame, metric, *(rate_name(above) for above in range(layer, count + 1)))
    x, y = bounds.information_bound(rows, layer), values(rows, metric)
    sampled = values(rows, f"{metric}_sampled").dropna()
    shades, axis = marks.ratio_colors(rows)
    title, y_title = f"{style.title_of(metric)} against rate", style.label(metric)
    series = [(metric, y, "circle")]
    entries = []
    if len(sampled):
        series.append((f"{metric}_sampled", sampled, "diamond-open"))
        entries = [marks.legend_entry("on means", "circle"), marks.legend_entry("on samples", "diamond-open")]
        title, y_title = title.replace(" on means", ""), y_title.replace(" on means", "")
    figure = marks.blank(title, dataset, theme, x=_rate_title(layer, count), y=y_title, colors=axis)
    if of_latent:
        figure.add_traces(_bound(rows, layer, accuracy=of_latent[1] != "mi"))
    for name, scores, symbol in series:
        here = scores.index
        marker = {"color": shades[here], "coloraxis": "coloraxis", "symbol": symbol}
        figure.add_trace(marks.points(rows.loc[here], x[here], scores, name, marker, name))
    return figure.add_traces([*entries, *marks.symbols(rows, x, y, along_x=True)])


def _rate_title(layer: int, count: int) -> str:
    if layer == count:
        return style.label(rate_name(count))
    if layer == 1:
        return style.label("test/rate")
    total = " + ".join(f"R_{above}" for above in range(layer, count + 1))
    return style.markup(f"{total} [nats per image]")


def _bound(rows: pd.DataFrame, layer: int, *, accuracy: bool) -> list[go.Scatter]:
    """The line that the metric cannot cross."""
    line = bounds.accuracy_line(rows, layer) if accuracy else bounds.information_line(rows, layer)
    if line is None:
        return []
    name = "bound from the rate" if accuracy else "min(R, H(y))"
    dashes = {"color": style.MUTED, "width": 2, "dash": "dash"}
    return [go.Scatter(x=line[0], y=line[1], mode="lines", name=name, line=dashes, hoverinfo="skip")]
