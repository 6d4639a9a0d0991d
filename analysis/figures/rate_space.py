"""Rate space in two dimensions: what the runs are like, and which region to target."""

__all__ = ["rate_space", "targets"]

import itertools
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.figures import common, scales, style
from analysis.figures.style import Theme
from analysis.frame import data_form, layers, one_dataset, require, values
from analysis.recommendation.recommender import APPLICATIONS, Recommendation, recommend
from hit.errors import StoreError

#: Of each side of a region's outline.
_PARTS = 20


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
    across, up = common.plane(count, pair)
    rows, form = require(frame, across, up, color_metric), data_form(frame)
    x, y = values(rows, across), values(rows, up)
    figure = common.blank(
        f"{style.title_of(color_metric)} over {'rate and distortion' if count == 1 else 'rate space'}",
        dataset,
        theme,
        x=style.label(across, form),
        y=style.label(up, form),
        colors=common.coloraxis(color_metric, form),
        rates=common.rate_axes(count),
    )
    scales.equal_totals(figure, x, y, scales.total_name(count, pair))
    marker = {"color": values(rows, color_metric), "coloraxis": "coloraxis"}
    marks = [*common.seed_means(rows, x, y, color_metric), *common.symbols(rows, x, y)]
    return figure.add_traces([common.points(rows, x, y, "run", marker, color_metric), *marks])


def targets(
    frame: pd.DataFrame,
    recommendations: Sequence[Recommendation] | None = None,
    *,
    pair: tuple[int, int] | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Rate space with, for each application, its best run and the region to target.

    A region that says little, since it covers most of what the runs reach, is a guess, or rests on few candidates, is
    a dashed outline, and the legend says why.

    Args:
        frame: runs of one data set.
        recommendations: what `recommend` found in this frame; by default what it finds for each application that
            the runs have the metrics of.
        pair: the layers on the x and the y axis, by default the lowest and the top one.
        theme: light or dark paper.

    Raises:
        StoreError: several data sets, or no finished run has the rates.
    """
    dataset, count = one_dataset(frame), layers(frame)
    across, up = common.plane(count, pair)
    rows = require(frame, across, up)
    if recommendations is None:
        recommendations = _found(frame)
    x, y = values(rows, across), values(rows, up)
    titles = style.label(across, data_form(frame)), style.label(up, data_form(frame))
    figure = common.blank(
        "Which region to target", dataset, theme, x=titles[0], y=titles[1], rates=common.rate_axes(count)
    )
    scales.equal_totals(figure, x, y, scales.total_name(count, pair))
    figure.add_trace(common.points(rows, x, y, "run", {"color": style.MUTED, "size": 6, "opacity": 0.6}))
    for index, found in enumerate(recommendations):
        color, symbol = style.CATEGORIES[index % len(style.CATEGORIES)]
        if count > 1:
            outline_x, outline_y = common.region_outline(found.region, common.pair_of(count, pair))
            line = {"color": color, "width": 2, "dash": "dash" if found.hedge else "solid"}
            fill = {} if found.hedge else {"fill": "toself", "fillcolor": f"{color}40"}
            outline = {"hoverinfo": "skip", "showlegend": False, "line": line, **fill}
            figure.add_trace(go.Scatter(x=_parted(outline_x), y=_parted(outline_y), mode="lines", **outline))
        else:  # a region of one rate has no say in the distortion
            look = {"opacity": 1, "line_width": 2, "line_dash": "dash", "line_color": color}
            look = look if found.hedge else {"opacity": 0.25, "line_width": 0, "fillcolor": color}
            figure.add_vrect(found.region.low[0], found.region.high[0], **look)
        best = found.run.to_frame().T
        marker = {"color": color, "symbol": symbol, "size": 14, "line": {"width": 1.5, "color": "#ffffff"}}
        where = values(best, across), values(best, up)
        name = f"{found.application.name} ({found.hedge})" if found.hedge else found.application.name
        point = common.points(best, *where, name, marker, found.metric.name)
        figure.add_trace(point.update(showlegend=True))
    return figure


def _parted(ends: list[float]) -> list[float]:
    """The sides of an outline in parts: lines of equal total are curves on logarithmic axes."""
    parts = [np.linspace(start, end, _PARTS, endpoint=False) for start, end in itertools.pairwise(ends)]
    return [*map(float, np.concatenate(parts)), ends[-1]] if parts else ends


def _found(frame: pd.DataFrame) -> list[Recommendation]:
    """What can be recommended for these runs."""
    found = []
    for one in APPLICATIONS:
        with suppress(StoreError):
            found.append(recommend(frame, one))
    return found
