"""What the pictures share: an empty sheet, the points of runs, what they say, and the guides behind them."""

__all__ = [
    "SEEDS",
    "SEED_MEAN",
    "blank",
    "coloraxis",
    "equal_name",
    "grouped",
    "hover",
    "legend_entry",
    "pair_of",
    "plane",
    "points",
    "rate_axes",
    "ratio_colors",
    "region_outline",
    "seed_counts",
    "seed_means",
    "symbols",
    "unit_name",
]

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.figures import style
from analysis.frame import column, data_form, errors, grouped, layers, rate_name, seed_counts, values
from analysis.settings import all_equal, beta_names
from hit import schema
from hit.config.rates.rate_region import RateRegion
from hit.errors import StoreError

Point = tuple[float, float]

#: How legends call the marks of models that were trained with several seeds.
SEED_MEAN = "mean ± spread of seeds"
#: Name of the column that says how many seeds a model was trained with.
SEEDS = "seeds"


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


def blank(
    title: str,
    dataset: str,
    theme: style.Theme,
    *,
    x: str,
    y: str,
    colors: dict[str, Any] | None = None,
    rates: str = "",
) -> go.Figure:
    """An empty figure: its title with the data set, the titles of its axes, and the axis of its colours.

    `rates` names the axes that hold rates ("x", "xy"), which `analysis.figures.scales` makes logarithmic.
    """
    layout = {
        "title": {"text": style.titled(title, dataset)},
        "xaxis": {"title": {"text": x}},
        "yaxis": {"title": {"text": y}},
    }
    if rates:
        layout["meta"] = {"rates": rates}
    return go.Figure(layout={"template": style.template(theme), **layout, "coloraxis": colors})


def rate_axes(count: int) -> str:
    """Which axes of that plane hold rates."""
    return "x" if count == 1 else "xy"


def points(
    frame: pd.DataFrame, x: pd.Series, y: pd.Series, name: str, marker: dict[str, Any], *metrics: str
) -> go.Scatter:
    """A point for each run, which says its numbers and `metrics` under the pointer; `ids` are the run ids."""
    says = hover(frame, *metrics)
    return go.Scatter(
        x=x, y=y, mode="markers", name=name, marker=marker, showlegend=False, ids=frame["run_id"].astype(str), **says
    )


def seed_means(frame: pd.DataFrame, x: pd.Series, y: pd.Series, *metrics: str) -> list[go.Scatter]:
    """A mark for each model that was trained with several seeds: the mean of its runs, with bars of one spread.

    It says under the pointer how many seeds there are, and mean ± spread of rates, distortion and `metrics`. No trace
    where every model has one run, whose spread nobody knows.
    """
    several = seed_counts(frame) > 1
    if not several.any():
        return []
    rows = frame[several]
    table = grouped(rows, x[rows.index], y[rows.index])
    bars = {"thickness": 1.3, "width": 3, "color": style.MUTED}
    return [
        go.Scatter(
            x=table[0, "mean"],
            y=table[1, "mean"],
            error_x={"array": table[0, "spread"], **bars},
            error_y={"array": table[1, "spread"], **bars},
            mode="markers",
            name=SEED_MEAN,
            marker={"symbol": "diamond-tall-open", "size": 10, "color": style.MUTED, "line": {"width": 1.8}},
            hovertext=_means_said(rows, metrics),
            hoverinfo="text",
        )
    ]


def _means_said(rows: pd.DataFrame, metrics: tuple[str, ...]) -> list[str]:
    """What the mark of each group says, in the order of the groups."""
    names, betas, form = _shown(rows, metrics), beta_names(layers(rows)), data_form(rows)
    table = grouped(rows, *(values(rows, name) for name in [*betas, *names]))
    said = []
    for _, row in table.iterrows():
        given = [f"{style.label(name)} = {style.number(row[at, 'mean'])}" for at, name in enumerate(betas)]
        lines = [f"<b>mean ± spread of {row['seeds', 'count']:.0f} seeds</b>", ", ".join(given)]
        for at, name in enumerate(names, start=len(betas)):
            if not pd.isna(row[at, "mean"]):
                declared = schema.described(name).of(form)
                spread = f" ± {style.margin(row[at, 'spread'])}" if not pd.isna(row[at, "spread"]) else ""
                told = f"{style.markup(declared.label)} = {style.number(row[at, 'mean'])}{spread} {declared.unit}"
                lines.append(told.rstrip())
        said.append("<br>".join(lines))
    return said


def _shown(frame: pd.DataFrame, names: tuple[str, ...]) -> list[str]:
    """Metrics that a run says under the pointer."""
    count = layers(frame)
    rates = [rate_name(layer) for layer in range(1, count + 1)]
    return list(dict.fromkeys([*rates, *(["test/rate"] if count > 1 else []), "test/distortion", *names]))


def hover(frame: pd.DataFrame, *names: str) -> dict[str, Any]:
    """What a run says under the pointer: its name, βs, rates, distortion, and the metrics `names`.

    Each metric has its standard error with it, where that is known. As properties of a trace: the words stand once, in
    the template; each run adds its numbers, whose columns `meta` names.
    """
    count, shown, seeds, form = layers(frame), _shown(frame, names), seed_counts(frame), data_form(frame)
    titles = column(frame, "run_name").where(column(frame, "run_name").notna(), frame["run_id"])
    columns = [
        *([*map(style.number, values(frame, name))] for name in beta_names(count)),
        *([*map(style.with_error, values(frame, name), errors(frame, name))] for name in shown),
    ]
    betas = [f"{style.label(name)} = %{{customdata[{at}]}}" for at, name in enumerate(beta_names(count), start=1)]
    lines = ["<b>%{customdata[0]}</b>", ", ".join(betas)]
    for at, name in enumerate(shown, start=count + 1):
        declared = schema.metric(name).of(form)
        lines.append(f"{style.markup(declared.label)} = %{{customdata[{at}]}} {declared.unit}".rstrip())
    if len(seeds) and seeds.max() > 1:
        shown = [*shown, SEEDS]
        columns.append([*map(style.number, seeds.astype(float))])
        lines.append(f"seeds of this model: %{{customdata[{len(columns)}]}}")
    return {
        "customdata": list(zip(map(style.inert, titles.astype(str)), *columns, strict=True)),
        "hovertemplate": "<br>".join(lines) + "<extra></extra>",
        "meta": {"says": [*beta_names(count), *shown]},
    }


def legend_entry(name: str, symbol: str) -> go.Scatter:
    """A legend's entry for points whose own colour tells something else."""
    marker = {"symbol": symbol, "color": style.MUTED, "size": 9}
    return go.Scatter(x=[None], y=[None], mode="markers", name=name, marker=marker, hoverinfo="skip")


def symbols(frame: pd.DataFrame, x: pd.Series, y: pd.Series, *, along_x: bool = False) -> list[go.Scatter]:
    """Rings around the runs whose βs are all equal, joined in the order of β or of x, and a star at β = 1.

    Those of a model with several seeds stand at the mean of its runs.
    """
    count = layers(frame)
    traces = []
    if count > 1:
        equal = frame[all_equal(frame, count)]
        along = x[equal.index] if along_x else values(equal, "beta_1")
        rings = grouped(equal, x[equal.index], y[equal.index], along)
        rings = rings.iloc[rings[2, "mean"].to_numpy().argsort(kind="stable")]
        if len(rings):
            traces.append(
                go.Scatter(
                    x=rings[0, "mean"],
                    y=rings[1, "mean"],
                    mode="lines+markers",
                    name=equal_name(count),
                    line={"color": style.EQUAL, "width": 1.2},
                    marker={"symbol": "circle-open", "size": 12, "color": style.EQUAL, "line": {"width": 1.6}},
                    hoverinfo="skip",
                )
            )
    unit = frame.index[all_equal(frame, count, to=1.0)]
    if len(unit):
        star = {"name": unit_name(count), "marker": style.STAR, "hoverinfo": "skip"}
        one = grouped(frame.loc[unit], x[unit], y[unit])
        traces.append(go.Scatter(x=one[0, "mean"], y=one[1, "mean"], mode="markers", **star))
    return traces


def equal_name(count: int) -> str:
    """How legends call the runs whose βs are all equal."""
    return "all β equal" if count > 2 else "β<sub>1</sub> = β<sub>2</sub>"


def unit_name(count: int) -> str:
    """How legends call the run whose βs are all 1."""
    return "all β = 1" if count > 1 else "β = 1"


def coloraxis(name: str, form: schema.DataForm | None = None) -> dict[str, Any]:
    """Colours of a metric of data of this form: the better, the brighter; where neither is better, more is brighter."""
    scale = style.BRIGHT_IS_GOOD[schema.metric(name).direction or "maximize"]
    return {"colorscale": scale, "colorbar": style.colorbar(style.label(name, form))}


def ratio_colors(frame: pd.DataFrame) -> tuple[pd.Series, dict[str, Any]]:
    """log10(β_L / β_1) of each run and the axis of its colours; log10 β_1 for models of one layer.

    A β of zero has no logarithm: such runs take the colour at their end of the scale.
    """
    count = layers(frame)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log10(values(frame, f"beta_{count}"))
        if count > 1:
            logs = logs - np.log10(values(frame, "beta_1"))
    finite = logs[np.isfinite(logs)].abs()
    reach = float(finite.max()) if len(finite) and finite.max() > 0 else 1.0
    text = f"log10 (β_{count} / β_1)" if count > 1 else "log10 β_1"
    scale = {"colorscale": style.DIVERGING, "cmin": -reach, "cmax": reach}
    return logs.clip(-reach, reach), {**scale, "colorbar": style.colorbar(style.markup(text))}


def region_outline(box: RateRegion, pair: tuple[int, int]) -> tuple[list[float], list[float]]:
    """Corners of a region in the plane of two rates, the first one repeated.

    For two layers the rectangle is cut along the lines of its least and its greatest total rate; more
    layers leave the total of two of them free.
    """
    (left, bottom), (right, top) = ([side[layer - 1] for layer in pair] for side in (box.low, box.high))
    corners = [(left, bottom), (right, bottom), (right, top), (left, top)]
    if len(box.low) == 2:
        corners = _cut(corners, lambda point: box.total_high - point[0] - point[1])
        corners = _cut(corners, lambda point: point[0] + point[1] - box.total_low)
    corners = [*corners, *corners[:1]]
    return [x for x, _ in corners], [y for _, y in corners]


def _cut(corners: list[Point], inside: Callable[[Point], float]) -> list[Point]:
    """The part of a convex outline where the linear function `inside` is not negative (Sutherland and Hodgman)."""
    kept: list[Point] = []
    for start, end in zip(corners, [*corners[1:], *corners[:1]], strict=True):
        a, b = inside(start), inside(end)
        if a >= 0:
            kept.append(start)
        if a * b < 0:
            share = a / (a - b)
            kept.append((start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])))
    return kept
