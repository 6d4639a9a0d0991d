"""How runs move through rate space while they are trained."""

__all__ = ["training_paths"]

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import sample_colorscale

from analysis.figures import common, scales, style
from analysis.figures.style import Theme
from analysis.frame import column, data_form, layers, one_dataset, values
from analysis.settings import beta_names
from hit.errors import StoreError

#: Lines are coloured in so many steps, since a line of Plotly's has one colour.
_SHADES = 9


def training_paths(
    histories: pd.DataFrame,
    frame: pd.DataFrame | None = None,
    *,
    pair: tuple[int, int] | None = None,
    theme: Theme = "light",
) -> go.Figure:
    """The rates of the training set, epoch by epoch, as a line a run; where it ended as a point.

    Given the runs, too, they are coloured by log10(β_L / β_1), and a cross ends the path of one that failed. For one
    layer the plane is (R_1, D), of `train/rate_1` and `train/distortion`.

    Args:
        histories: a row an epoch and run, with columns `run_id`, `epoch`, `train/rate_1`, …, nats per image, as
            `analysis.histories` makes it. Rows of other runs than those in `frame`, and rows without the rates,
            are left out.
        frame: the runs, one row each, of one data set; without them, all of `histories` are drawn in one colour.
        pair: the layers on the x and the y axis, by default the lowest and the top one.
        theme: light or dark paper.

    Raises:
        StoreError: several data sets, or no run has two epochs with the rates.
    """
    if frame is None:
        frame, dataset, count = _runs(histories), "", max(1, _layers(histories))
    else:
        dataset, count = one_dataset(frame), layers(frame)
    across, up = (name.replace("test/", "train/") for name in common.plane(count, pair))
    paths = _paths(histories, frame, across, up)
    known = frame[frame["run_id"].isin(paths["run_id"])].reset_index(drop=True)
    shades, axis = common.ratio_colors(known) if beta_names(count)[-1] in known else (None, None)
    title = "How runs move through " + ("rate and distortion" if count == 1 else "rate space")
    titles = style.label(across, data_form(frame)), style.label(up, data_form(frame))
    figure = common.blank(title, dataset, theme, x=titles[0], y=titles[1], colors=axis, rates=common.rate_axes(count))
    ends = paths.drop_duplicates("run_id", keep="last").set_index("run_id").loc[known["run_id"]]
    x, y = (pd.Series(ends[name].to_numpy(), index=known.index) for name in (across, up))
    scales.equal_totals(figure, values(paths, across), values(paths, up), scales.total_name(count, pair))
    figure.add_traces(_lines(paths, known, shades, axis, across, up))
    figure.add_trace(_start(paths, across, up))
    failed = column(known, "status") == "FAILED"
    colored = {"color": style.LINE} if shades is None else {"color": shades[~failed], "coloraxis": "coloraxis"}
    dots = {**colored, "size": 7}
    for chosen, name, symbol, marker in (
        (~failed, "end of training", "circle", dots),
        (failed, "failed", "x", style.FAILED),
    ):
        if chosen.any():
            figure.add_trace(common.points(known[chosen], x[chosen], y[chosen], name, marker))
            figure.add_trace(common.legend_entry(name, symbol))
    return figure


def _runs(histories: pd.DataFrame) -> pd.DataFrame:
    """A row a run, of which nothing else is known."""
    return pd.DataFrame({"run_id": column(histories, "run_id").dropna().unique()})


def _layers(histories: pd.DataFrame) -> int:
    """L, by the rates that were logged."""
    return sum(f"train/rate_{layer}" in histories for layer in range(1, len(histories.columns) + 1))


def _paths(histories: pd.DataFrame, frame: pd.DataFrame, across: str, up: str) -> pd.DataFrame:
    """The epochs to draw, in their order, of the runs in the frame's."""
    lacking = [name for name in ("run_id", "epoch", across, up) if name not in histories]
    if lacking:
        raise StoreError(
            f"histories must have the columns run_id, epoch, {across} and {up}, as analysis.histories(frame) "
            f"makes them, got none called {lacking[0]}"
        )
    rows = histories[histories["run_id"].isin(frame["run_id"])].dropna(subset=[across, up])
    rows = rows[np.isfinite(values(rows, across)) & np.isfinite(values(rows, up))]
    rows = rows[rows.groupby("run_id")["epoch"].transform("count") > 1]
    if rows.empty:
        raise StoreError(f"histories must have two epochs of a run with {across} and {up}, got none")
    ordered: pd.DataFrame = rows.sort_values(["run_id", "epoch"], kind="stable")
    return ordered


def _lines(
    paths: pd.DataFrame,
    known: pd.DataFrame,
    shades: pd.Series | None,
    axis: dict[str, Any] | None,
    across: str,
    up: str,
) -> list[go.Scatter]:
    """The paths, those of about the same colour as one trace, with gaps between runs."""
    if shades is None or axis is None:
        colors, steps = [style.LINE], np.zeros(len(known), int)
    else:
        share = (shades.to_numpy() - axis["cmin"]) / (axis["cmax"] - axis["cmin"])
        steps = np.nan_to_num(np.round(share * (_SHADES - 1)), nan=(_SHADES - 1) // 2).astype(int)
        colors = sample_colorscale(axis["colorscale"], [step / (_SHADES - 1) for step in range(_SHADES)])
    step_of = dict(zip(known["run_id"], steps, strict=True))
    groups: dict[int, list[pd.DataFrame]] = {}
    for run_id, path in paths.groupby("run_id", sort=False):
        gap = pd.DataFrame({"run_id": [run_id], across: [None], up: [None]}, dtype=object)
        groups.setdefault(step_of[run_id], []).extend([path[["run_id", across, up]].astype(object), gap])
    traces = []
    for step, parts in sorted(groups.items()):
        joined = pd.concat(parts, ignore_index=True)
        look = {
            "mode": "lines",
            "line": {"color": colors[step], "width": 1.1},
            "hoverinfo": "skip",
            "showlegend": False,
        }
        places = {"x": joined[across].tolist(), "y": joined[up].tolist(), "ids": joined["run_id"].astype(str)}
        traces.append(go.Scatter(**places, **look))
    return traces


def _start(paths: pd.DataFrame, across: str, up: str) -> go.Scatter:
    first = paths.drop_duplicates("run_id")
    marker = {"symbol": "circle-open", "size": 5, "color": style.MUTED, "line": {"width": 1}}
    look = {"mode": "markers", "name": "after the first epoch", "marker": marker, "hoverinfo": "skip"}
    return go.Scatter(x=first[across], y=first[up], ids=first["run_id"].astype(str), **look)
