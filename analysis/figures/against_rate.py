"""A metric against the rate that bounds it, with the bound and what the best runs reach."""

__all__ = ["metric_against_rate"]

import re

import pandas as pd
import plotly.graph_objects as go

from analysis import bounds
from analysis.figures import common, pareto, style
from analysis.figures.style import Theme
from analysis.frame import data_form, errors, layers, one_dataset, rate_name, require, values
from hit import schema

_OF_LATENT = re.compile(r"test/(accuracy_\w+?|r2_\w+?|mi)_z([1-9][0-9]*)(_sampled)?\Z")


def metric_against_rate(frame: pd.DataFrame, metric: str, *, theme: Theme = "light") -> go.Figure:
    """A metric of every finished run against the rate that bounds it, coloured by log10(β_L / β_1).

    That rate is the total R; for an accuracy or R² of z_l and for I(y; z_l) it is R_l + … + R_L. The line is then the
    bound: f(α) ≤ R for accuracies, that of `hit.metrics.bounds.r_squared_bound` for R², min(R, H(y)) for I(y; z_l).
    It holds for classifiers and regressions that see samples of z_l: these are drawn as diamonds beside those on means.
    The best runs (on samples, where there are) are marked by their Pareto front and its convex hull. Bars are of one
    standard error, as far as they are known: it is that of other test images, and as all runs share theirs, they
    differ by less than it from each other.

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
    shades, axis = common.ratio_colors(rows)
    form = data_form(rows)
    title, y_title = f"{style.title_of(metric)} against rate", style.wrapped(metric, 32, form)
    series = [(metric, y, "circle")]
    entries = []
    if len(sampled):
        series.append((f"{metric}_sampled", sampled, "diamond-open"))
        entries = [common.legend_entry("on means", "circle"), common.legend_entry("on samples", "diamond-open")]
        title, y_title = title.replace(" on means", ""), y_title.replace(" on means", "")
    figure = common.blank(title, dataset, theme, x=_rate_title(layer, count, form), y=y_title, colors=axis, rates="x")
    if of_latent:
        figure.add_traces(_bound(rows, layer, of_latent[1].partition("_")[0]))
    last, best, _ = series[-1]
    figure.add_traces(pareto.front_lines(x[best.index], best, last))
    for name, scores, symbol in series:
        here = scores.index
        marker = {"color": shades[here], "coloraxis": "coloraxis", "symbol": symbol}
        runs = common.points(rows.loc[here], x[here], scores, name, marker, name)
        figure.add_trace(runs.update(error_y=style.error_bars(errors(rows.loc[here], name))))
    means = common.seed_means(rows.loc[best.index], x[best.index], best, last)
    return figure.add_traces([*entries, *means, *common.symbols(rows, x, y, along_x=True)])


def _rate_title(layer: int, count: int, form: schema.DataForm | None) -> str:
    if layer == count:
        return style.label(rate_name(count), form)
    if layer == 1:
        return style.label("test/rate", form)
    total = " + ".join(f"R_{above}" for above in range(layer, count + 1))
    return style.markup(f"{total} [{schema.metric('test/rate').of(form).unit}]")


def _bound(rows: pd.DataFrame, layer: int, what: str) -> list[go.Scatter]:
    """The line that the metric cannot cross: an accuracy, r2 or mi."""
    lines = {"accuracy": bounds.accuracy_line, "r2": bounds.r_squared_line, "mi": bounds.information_line}
    line = lines[what](rows, layer)
    if line is None:
        return []
    name = "min(R, H(y))" if what == "mi" else "bound"
    dashes = {"color": style.MUTED, "width": 2, "dash": "dash"}
    return [go.Scatter(x=line[0], y=line[1], mode="lines", name=name, line=dashes, hoverinfo="skip")]
