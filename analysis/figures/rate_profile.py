"""The rates of all layers at once: a bar a run, and the share of each layer where the optimum lies."""

__all__ = ["rate_profile"]

from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from analysis.figures import common, style
from analysis.figures.style import Theme
from analysis.frame import column, data_form, errors, layers, one_dataset, rate_name, require, values
from analysis.recommendation.optimum import LEVEL, LayerShare
from analysis.recommendation.recommender import Recommendation
from hit import schema
from hit.errors import StoreError

#: More bars than these are too thin to tell apart.
_MOST = 60
#: Ends of the bars' part and the shares' part of the width.
_BARS, _SHARES = (0.0, 0.72), (0.83, 1.0)


def rate_profile(
    frame: pd.DataFrame, metric: str | Recommendation, *, at_most: int = _MOST, theme: Theme = "light"
) -> go.Figure:
    """A bar a run, the best first: its rates, stacked from the top layer down to z_1.

    Of a recommendation, a symbol marks the best run, and a panel beside the bars has the share R_l / R of each layer at
    the optimum, with the interval that holds it with a probability of 90 % where that is known.

    Args:
        frame: runs of one data set.
        metric: name of the metric in the store that they are sorted by; or what `recommend` found in this frame, for
            the runs that keep its constraints, sorted by their score.
        at_most: bars; of more runs the best are drawn, and the axis says so.
        theme: light or dark paper.

    Raises:
        StoreError: several data sets, no finished run has the metric and the rates, or fewer than one bar.
    """
    if at_most < 1:
        raise StoreError(f"at_most must be 1 or more, got {at_most}")
    dataset, count = one_dataset(frame), layers(frame)
    found = None if isinstance(metric, str) else metric
    name = metric if isinstance(metric, str) else metric.metric.name
    rates = [rate_name(layer) for layer in range(1, count + 1)]
    ranked = found.ranked if found else _ranked(require(frame, name, *rates), name)
    rows = ranked.head(at_most).reset_index(drop=True)
    rate = style.label("test/rate", data_form(rows))
    figure = common.blank("Rates of all layers", dataset, theme, x=_order_told(ranked, rows, name), y=rate)
    colors = _layer_colors(count)
    place = pd.Series(range(1, len(rows) + 1), index=rows.index)
    told = ["test/rate", *([name] if name in frame and name != "test/rate" else [])]
    for layer, color in enumerate(colors, 1):
        figure.add_trace(
            go.Bar(
                x=place,
                y=values(rows, rate_name(layer)),
                name=style.markup(f"R_{layer}"),
                marker={"color": color, "line": {"width": 0}},
                ids=rows["run_id"].astype(str),
                **_says(rows, rate_name(layer), *told),
            )
        )
    figure.update_layout(barmode="stack", bargap=0.12 if len(rows) > 1 else 0.6, xaxis_showgrid=False)
    figure.update_xaxes(range=[0.4, len(rows) + 0.6], showticklabels=False, ticks="")
    if found:
        _mark(figure, found, rows)
        _add_shares(figure, found.shares, colors, found.hedge)
    return figure


def _says(rows: pd.DataFrame, *names: str) -> dict[str, Any]:
    """What a bar says under the pointer: less than a run does elsewhere, since it would hide the others."""
    titles = column(rows, "run_name").where(column(rows, "run_name").notna(), rows["run_id"])
    numbers = [[*map(style.with_error, values(rows, name), errors(rows, name))] for name in names]
    lines = ["<b>%{customdata[0]}</b>"]
    for at, name in enumerate(names, 1):
        declared = schema.metric(name).of(data_form(rows))
        lines.append(f"{style.markup(declared.label)} = %{{customdata[{at}]}} {declared.unit}".rstrip())
    return {
        "customdata": list(zip(map(style.inert, titles.astype(str)), *numbers, strict=True)),
        "hovertemplate": "<br>".join(lines) + "<extra></extra>",
        "meta": {"says": list(names)},
    }


def _layer_colors(count: int) -> list[str]:
    """One for each layer from z_1 to z_L, the brighter the higher."""
    places = [0.5] if count == 1 else [at / (count - 1) for at in range(count)]
    return list(sample_colorscale(style.BRIGHT_IS_GOOD["maximize"], places))


def _ranked(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """The best first; the larger where neither is better."""
    ascending = schema.metric(name).direction == "minimize"
    return rows.iloc[values(rows, name).argsort(kind="stable")[:: 1 if ascending else -1]]


def _order_told(ranked: pd.DataFrame, rows: pd.DataFrame, name: str) -> str:
    """What the bars are, and the scores at both ends."""
    which = f"{len(rows)} run{'' if len(rows) == 1 else 's'}"
    if len(rows) < len(ranked):
        which = f"the best {len(rows)} of {len(ranked)} runs"
    declared = schema.described(name).of(data_form(rows))
    scores = values(rows, name)
    ends = " to ".join(dict.fromkeys(style.number(scores.iloc[at]) for at in (0, -1)))
    return f"{which}, by<br>{style.markup(declared.label)}: {ends} {style.inert(declared.unit)}".rstrip()


def _mark(figure: go.Figure, found: Recommendation, rows: pd.DataFrame) -> None:
    """A symbol above the bar of the best run."""
    at = int((rows["run_id"].astype(str) == str(found.run["run_id"])).to_numpy().argmax())
    tops = values(rows, "test/rate")
    figure.add_trace(
        go.Scatter(
            x=[at + 1],
            y=[float(tops.iloc[at]) + 0.035 * float(tops.max())],
            mode="markers",
            name="best run",
            marker={"symbol": "triangle-down", "color": style.FRONT, "size": 12, "line": {"width": 0}},
            hoverinfo="skip",
            cliponaxis=False,
        )
    )
    figure.update_yaxes(range=[0, 1.09 * float(tops.max()) or 1.0])


def _add_shares(figure: go.Figure, shares: tuple[LayerShare, ...], colors: list[str], hedge: str) -> None:
    """A panel with a point for each layer, the top one above, and bars of its interval."""
    if not shares:
        return
    known = shares[0].low is not None
    ends = [(one.low, one.high) if one.low is not None and one.high is not None else (one.share,) * 2 for one in shares]
    figure.add_trace(
        go.Scatter(
            x=[100 * one.share for one in shares],
            y=[one.layer for one in shares],
            error_x={
                "array": [100 * (high - one.share) for one, (_, high) in zip(shares, ends, strict=True)],
                "arrayminus": [100 * (one.share - low) for one, (low, _) in zip(shares, ends, strict=True)],
                "thickness": 1.6,
                "width": 4,
                "color": style.MUTED,
                "visible": known,
            },
            mode="markers",
            marker={"color": colors, "size": 11},
            text=[_share_told(one) for one in shares],
            hovertemplate="%{text}<extra></extra>",
            name="share of the optimum",
            showlegend=False,
            cliponaxis=False,
            xaxis="x2",
            yaxis="y2",
        )
    )
    most = max(high for _, high in ends)
    figure.update_layout(
        meta={"shares": True},
        xaxis_domain=_BARS,
        xaxis2={
            "domain": _SHARES,
            "anchor": "y2",
            "title": {"text": f"share of R [%]<br>{'(' + hedge + ')' if hedge else ' '}"},
            "range": [0, min(104.0, 115 * most)],
            "nticks": 4,
        },
        yaxis2={
            "anchor": "x2",
            "range": [0.4, len(shares) + 0.6],
            "tickvals": [one.layer for one in shares],
            "ticktext": [style.markup(f"z_{one.layer}") for one in shares],
            "showgrid": False,
        },
    )


def _share_told(one: LayerShare) -> str:
    text = f"R_{one.layer} / R = {one.share:.0%}"
    if one.low is None or one.high is None:
        return style.markup(f"{text}, of no known uncertainty")
    return style.markup(f"{text}, {one.low:.0%} to {one.high:.0%} with probability {LEVEL:.0%}")
