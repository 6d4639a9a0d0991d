"""Every metric over rate space, in small pictures beside each other."""

__all__ = ["small_multiples"]

import textwrap
from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from analysis import bounds
from analysis.figures import common, style
from analysis.figures.style import Theme
from analysis.frame import data_form, finished, layers, one_dataset, require, values
from analysis.settings import all_equal
from hit import schema
from hit.errors import StoreError
from hit.schema.metric_groups import GROUPS

_COLUMNS = 4
#: Pixels: a panel with its title, of which the title, and around all panels.
_PANEL, _TITLE, _ABOVE, _BELOW = 220, 66, 110, 60


def small_multiples(
    frame: pd.DataFrame,
    metrics: Sequence[str] | None = None,
    *,
    pair: tuple[int, int] | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """Rate space once a metric: from the worst run's colour to the best one's; brighter is better.

    Each panel has a colour scale of its own, whose ends its title states, for accuracies with that of chance. A ring
    marks the run at β = 1. Panels share their axes, so that zooming into one zooms into all.

    Args:
        frame: runs of one data set.
        metrics: names in the store; by default those that are about the model on unseen data and that a run has.
        pair: the layers on the x and the y axis, by default the lowest and the top one.
        theme: light or dark paper.

    Raises:
        StoreError: several data sets, or no finished run has the rates or one of the metrics.
    """
    dataset, count = one_dataset(frame), layers(frame)
    across, up = common.plane(count, pair)
    require(frame, across, up)
    names = list(metrics) if metrics is not None else default_metrics(frame)
    if not names:
        raise StoreError("metrics must name at least one metric, got none")
    panels = [_panel(frame, across, up, name) for name in names]
    titles = [title for *_, title in panels]
    height = -(-len(names) // _COLUMNS)
    whole = _PANEL * height + _ABOVE + _BELOW
    # Between rows there is room for the titles.
    gap = _TITLE / (whole - _ABOVE - _BELOW) if height > 1 else 0.0
    figure = make_subplots(
        height, _COLUMNS, shared_xaxes="all", shared_yaxes="all", subplot_titles=titles, vertical_spacing=gap
    )
    for at, (points, marks, _) in enumerate(panels):
        figure.add_traces([points, *marks], at // _COLUMNS + 1, at % _COLUMNS + 1)
    form = data_form(frame)
    for at in range(height * _COLUMNS):
        place = {"row": at // _COLUMNS + 1, "col": at % _COLUMNS + 1}
        there, below = at < len(names), at + _COLUMNS < len(names)
        x_title, y_title = style.label(across, form), style.label(up, form)
        figure.update_xaxes(visible=there, showticklabels=not below, title_text="" if below else x_title, **place)
        figure.update_yaxes(visible=there, title_text="" if at % _COLUMNS else y_title, **place)
    bar = style.colorbar(
        "", tickvals=[0, 1], ticktext=["worst", "best"], lenmode="pixels", len=_PANEL, y=1, yanchor="top"
    )
    title = "Every metric over " + ("rate and distortion" if count == 1 else "rate space")
    figure.update_layout(
        template=style.template(theme),
        title={"text": style.titled(title, dataset), "y": 1, "pad": {"t": 16}},
        coloraxis={"colorscale": style.BRIGHT_IS_GOOD["maximize"], "cmin": 0, "cmax": 1, "colorbar": bar},
        height=whole,
        margin={"t": _ABOVE, "b": _BELOW},
        showlegend=False,
        meta={"panels": len(names), "rates": common.rate_axes(count)},
    )
    figure.update_xaxes(title_font_size=12, tickfont_size=10)
    figure.update_yaxes(title_font_size=12, tickfont_size=10)
    figure.update_annotations(font_size=12, bgcolor="rgba(0,0,0,0)", yshift=2)
    return figure


def default_metrics(frame: pd.DataFrame) -> list[str]:
    """Metrics with a better and a worse, on unseen data or samples, that a finished run has and that vary."""
    rows, count = finished(frame), layers(frame)
    left_out = ("seconds", "bound_", "objective", "bits_per_dim", "mi_ksg")
    return [
        declared.name
        for declared in schema.layer_metrics(count)
        if declared.direction is not None
        and declared.group in GROUPS
        and not declared.name.partition("/")[2].startswith(left_out)
        and values(rows, declared.name).nunique() > 1
    ]


def _panel(frame: pd.DataFrame, across: str, up: str, name: str) -> tuple[go.Scatter, list[go.Scatter], str]:
    """The runs, the ring at β = 1 with the marks of models of several seeds, and a title with both ends of the scale.

    The ends are those of runs; a model's mean and spread stand at its mark.
    """
    rows = require(frame, across, up, name)
    x, y, score = values(rows, across), values(rows, up), values(rows, name)
    low, high = float(score.min()), float(score.max())
    share = (score - low) / ((high - low) or 1.0)
    direction = schema.metric(name).direction
    if direction == "minimize":
        share, low, high = 1 - share, high, low
    marker = {"color": share, "coloraxis": "coloraxis", "size": 6, "line": {"width": 0}}
    unit = rows.index[all_equal(rows, layers(rows), to=1.0)]
    look = {"symbol": "circle-open", "size": 11, "color": style.EQUAL, "line": {"width": 2}}
    ring = go.Scatter(x=x[unit], y=y[unit], mode="markers", marker=look, name="β = 1", hoverinfo="skip")
    heading = "<br>".join(map(style.markup, textwrap.wrap(schema.metric(name).label, 30)))
    ends = f"{style.span(low, high)} {schema.metric(name).of(data_form(rows)).unit}".rstrip()
    level = bounds.chance(rows, name)
    if level:
        ends += f", chance {style.number(level, 2)}"
    title = f"{heading}<br><span style='font-size:10px'>{ends}</span>"
    marks = [ring] if len(unit) else []
    return common.points(rows, x, y, "run", marker, name), [*marks, *common.seed_means(rows, x, y, name)], title
