"""What the pictures share: which runs they show, what a run says under the pointer, and the guides behind."""

__all__ = [
    "blank",
    "bound_line",
    "classes",
    "coloraxis",
    "colors",
    "equal_runs",
    "equal_totals",
    "hover",
    "information_bound",
    "legend_entry",
    "pair_of",
    "plane",
    "region_outline",
    "symbols",
    "total_name",
]

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis import style
from analysis.comparable import all_equal, beta_names
from analysis.recommend import RateBox
from analysis.runs import column, layers, rate_name, values
from hit import schema
from hit.errors import StoreError
from hit.metrics.bounds import accuracy_bound


def pair_of(count: int, pair: tuple[int, int] | None) -> tuple[int, int]:
    """The two layers on the axes: the lowest and the top one where none are asked for.

    Raises:
        StoreError: the models do not have these layers.
    """
    if pair is None:
        return 1, count
    if not all(1 <= layer <= count for layer in pair) or pair[0] == pair[1]:
        raise StoreError(f"pair must be two different layers of 1 to {count}, got {pair}")
    return pair


def plane(count: int, pair: tuple[int, int] | None) -> tuple[str, str]:
    """Metrics on the x and the y axis of rate space; for one layer (R_1, D)."""
    first, second = pair_of(count, pair)
    return rate_name(first), "test/distortion" if count == 1 else rate_name(second)


def region_outline(box: RateBox, first: int, second: int) -> tuple[list[float], list[float]]:
    """Corners of a region in the plane of two rates, the first one repeated.

    For two layers the rectangle is cut along the lines of its least and its greatest total rate; more
    layers leave the total of two of them free.
    """
    low, high = (box.low[first - 1], box.low[second - 1]), (box.high[first - 1], box.high[second - 1])
    corners = [low, (high[0], low[1]), high, (low[0], high[1])]
    if len(box.low) == 2:
        corners = _cut(corners, lambda point: box.total_high - point[0] - point[1])
        corners = _cut(corners, lambda point: point[0] + point[1] - box.total_low)
    corners = [*corners, *corners[:1]]
    return [x for x, _ in corners], [y for _, y in corners]


def total_name(count: int, first: int, second: int) -> str:
    """What is constant along the lines of that plane."""
    if count == 1:
        return "−ELBO"
    return "R" if count == 2 else style.markup(f"R_{first} + R_{second}")


def blank(title: str, dataset: str, theme: style.Theme) -> go.Figure:
    """An empty figure, titled with what it shows and of which data set."""
    text = f"{title} · {style.inert(dataset)}" if dataset else title
    return go.Figure(layout={"template": style.template(theme), "title": {"text": text}})


def legend_entry(name: str, symbol: str) -> go.Scatter:
    """A legend's entry for points whose own colour tells something else."""
    marker = {"symbol": symbol, "color": style.MUTED, "size": 9}
    return go.Scatter(x=[None], y=[None], mode="markers", name=name, marker=marker, hoverinfo="skip")


def coloraxis(name: str) -> dict[str, object]:
    """Colours of a metric: the better, the brighter; where neither is better, more is brighter."""
    declared = schema.metric(name)
    return {
        "colorscale": style.BRIGHT_IS_GOOD[declared.direction or "maximize"],
        "colorbar": style.colorbar(style.label(name)),
    }


def hover(frame: pd.DataFrame, *names: str) -> dict[str, Any]:
    """What a run says under the pointer: its name, βs, rates, distortion, and the metrics `names`.

    As properties of a trace. The words stand once, in the template; each run adds its numbers.
    """
    count = layers(frame)
    rates = [rate_name(layer) for layer in range(1, count + 1)]
    totals = ["test/rate"] if count > 1 else []
    shown = list(dict.fromkeys([*rates, *totals, "test/distortion", *names]))
    titles = column(frame, "run_name").where(column(frame, "run_name").notna(), frame["run_id"])
    columns = [map(style.number, values(frame, name)) for name in [*beta_names(count), *shown]]
    betas = [f"{style.label(name)} = %{{customdata[{at}]}}" for at, name in enumerate(beta_names(count), start=1)]
    lines = ["<b>%{customdata[0]}</b>", ", ".join(betas)]
    for at, name in enumerate(shown, start=count + 1):
        declared = schema.metric(name)
        lines.append(f"{style.markup(declared.label)} = %{{customdata[{at}]}} {declared.unit}".rstrip())
    return {
        "customdata": list(zip(map(style.inert, titles.astype(str)), *columns, strict=True)),
        "hovertemplate": "<br>".join(lines) + "<extra></extra>",
    }


def symbols(frame: pd.DataFrame, x: pd.Series, y: pd.Series) -> list[go.Scatter]:
    """Rings around the runs whose βs are all equal, joined in the order of β, and a star at β = 1."""
    count = layers(frame)
    traces = []
    if count > 1:
        equal = equal_runs(frame)
        if not equal.empty:
            traces.append(
                go.Scatter(
                    x=x[equal.index],
                    y=y[equal.index],
                    mode="lines+markers",
                    name="all β equal" if count > 2 else "β<sub>1</sub> = β<sub>2</sub>",
                    line={"color": style.EQUAL, "width": 1.2},
                    marker={"symbol": "circle-open", "size": 12, "color": style.EQUAL, "line": {"width": 1.6}},
                    hoverinfo="skip",
                )
            )
    unit = frame[all_equal(frame, count, to=1.0)]
    if not unit.empty:
        traces.append(
            go.Scatter(
                x=x[unit.index],
                y=y[unit.index],
                mode="markers",
                name="all β = 1 (ELBO)" if count > 1 else "β = 1 (ELBO)",
                marker=style.STAR,
                hoverinfo="skip",
            )
        )
    return traces


def equal_runs(frame: pd.DataFrame) -> pd.DataFrame:
    """The runs whose βs are all equal, in the order of β."""
    chosen = frame[all_equal(frame, layers(frame))]
    return chosen.loc[values(chosen, "beta_1").sort_values().index]


def equal_totals(figure: go.Figure, x: pd.Series, y: pd.Series, text: str) -> None:
    """Fit the axes to the points and draw thin lines of equal x + y behind them, labelled where they leave."""
    (left, right), (bottom, top) = _padded(x), _padded(y)
    figure.update_xaxes(range=[left, right])
    figure.update_yaxes(range=[bottom, top])
    steps = [total for total in _round_steps(max(left + bottom, 0.0), right + top, 8) if total > 0]
    xs: list[float | None] = []
    ys: list[float | None] = []
    for total in steps:
        start, end = max(left, total - top), min(right, total - bottom)
        if start >= end:
            continue
        xs += [start, end, None]
        ys += [total - start, total - end, None]
        # Labels stand where the line enters: at the upper edge, or at the left one.
        at_top = start > left
        figure.add_annotation(
            x=start,
            y=total - start,
            text=f"{text} = {style.number(total)}",
            showarrow=False,
            xanchor="left",
            yanchor="bottom" if at_top else "middle",
            xshift=2,
            yshift=1 if at_top else 0,
        )
    lines = go.Scatter(
        x=xs, y=ys, mode="lines", line={"color": style.MUTED, "width": 0.8}, hoverinfo="skip", showlegend=False
    )
    figure.add_trace(lines)


def colors(frame: pd.DataFrame) -> tuple[pd.Series, dict[str, object]]:
    """log10(β_L / β_1) of each run and the axis of its colours; log10 β_1 for models of one layer.

    A β of zero has no logarithm: such runs take the colour at their end of the scale.
    """
    count = layers(frame)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log10(values(frame, f"beta_{count}"))
        if count > 1:
            logs = logs - np.log10(values(frame, "beta_1"))
    finite = logs[np.isfinite(logs)]
    reach = float(finite.abs().max()) if len(finite) else 0.0
    reach = reach or 1.0
    text = f"log10(β_{count} / β_1)" if count > 1 else "log10 β_1"
    bar = style.colorbar(style.markup(text).replace("log10", "log<sub>10</sub>"))
    return logs.clip(-reach, reach), {"colorscale": style.DIVERGING, "cmin": -reach, "cmax": reach, "colorbar": bar}


def classes(frame: pd.DataFrame, layer: int) -> int:
    """Number of classes M of the data: the one that reproduces the bounds stored with the runs.

    H(y) ≤ ln M gives the least M, which is exact for balanced classes; a rarer class shows in the
    stored bounds alone.
    """
    entropy = float(values(frame, "test/label_entropy").dropna().median())
    least = max(2, math.ceil(math.exp(entropy) - 1e-6))
    bounds = values(frame, f"test/accuracy_bound_rate_z{layer}")
    known = pd.DataFrame({"bound": bounds, "rate": information_bound(frame, layer)}).dropna()
    known = known[(known["bound"] < 1) & (known["bound"] > 0)]
    if known.empty:
        return least
    rate, bound = known.sort_values("rate").iloc[len(known) // 2][["rate", "bound"]]
    return min(range(least, 4 * least + 1), key=lambda m: abs(accuracy_bound(float(rate), entropy, m) - bound))


def information_bound(frame: pd.DataFrame, layer: int) -> pd.Series:
    """R_l + … + R_L, which bounds what z_l knows of x, in nats per image."""
    total = sum(values(frame, rate_name(above)) for above in range(layer, layers(frame) + 1))
    return pd.Series(total, index=frame.index, dtype=float)


def bound_line(rates: Sequence[float], entropy: float, count: int) -> list[float]:
    """The bound on an accuracy at each of these rates."""
    return [accuracy_bound(float(rate), entropy, count) for rate in rates]


def _padded(points: pd.Series) -> tuple[float, float]:
    low, high = float(points.min()), float(points.max())
    span = (high - low) or max(abs(high), 1.0)
    return (
        low - 0.04 * span if low > 0.5 * span else min(0.0, low) - 0.03 * (span + max(low, 0.0))
    ), high + 0.07 * span


def _round_steps(low: float, high: float, at_most: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten between two totals."""
    rough = (high - low) / at_most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _cut(
    corners: list[tuple[float, float]], inside: Callable[[tuple[float, float]], float]
) -> list[tuple[float, float]]:
    """The part of a convex outline where the linear function `inside` is not negative (Sutherland and Hodgman)."""
    kept: list[tuple[float, float]] = []
    for start, end in zip(corners, [*corners[1:], *corners[:1]], strict=True):
        a, b = inside(start), inside(end)
        if a >= 0:
            kept.append(start)
        if a * b < 0:
            share = a / (a - b)
            kept.append((start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])))
    return kept
