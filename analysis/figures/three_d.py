"""Pictures in three dimensions: a metric as the height over rate space, and one metric against two others."""

__all__ = ["rate_space_3d", "three_metrics"]

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from scipy.spatial import Delaunay, QhullError

from analysis.figures import common, scales, style
from analysis.figures.style import Theme
from analysis.frame import data_form, finished, layers, one_dataset, require, values
from analysis.settings import all_equal
from hit import schema

_CAMERA = {"eye": {"x": -1.5, "y": -1.65, "z": 0.9}, "center": {"x": 0.0, "y": 0.0, "z": -0.12}}
_DOT = 3.5


def rate_space_3d(
    frame: pd.DataFrame, metric: str, *, pair: tuple[int, int] | None = None, theme: Theme = "light"
) -> go.Figure:
    """Every finished run over the plane of two rates, as high as its metric, which colours it, too.

    The sheet joins runs that are neighbours in β. Lines on the floor join points of equal total rate. For one layer
    the plane is (R_1, D).

    Args:
        frame: runs of one data set.
        metric: name of the metric in the store.
        pair: the layers on the x and the y axis, by default the lowest and the top one.
        theme: light or dark paper.

    Raises:
        StoreError: several data sets, or no finished run has the metric and the rates.
    """
    dataset, count = one_dataset(frame), layers(frame)
    across, up = common.plane(count, pair)
    rows, form = require(frame, across, up, metric), data_form(frame)
    x, y, z = values(rows, across), values(rows, up), values(rows, metric)
    title = f"{style.title_of(metric)} as height over {'rate and distortion' if count == 1 else 'rate space'}"
    figure = _scene(title, dataset, theme, across, up, metric, common.coloraxis(metric, form), form)
    place = [x, y, z]
    figure.update_layout(meta={"rates": common.rate_axes(count)})
    figure.add_trace(_floor(x, y, z, scales.total_name(count, pair)))
    return figure.add_traces([*_sheet(rows, place, z), _dots(rows, place, z, metric), *_symbols(rows, place)])


def three_metrics(
    frame: pd.DataFrame,
    metrics: tuple[str, str, str] | None = None,
    *,
    theme: Theme = "light",
) -> go.Figure:
    """Every finished run by three metrics, as a sheet over β, coloured by log10(β_L / β_1).

    Args:
        frame: runs of one data set.
        metrics: names in the store, for the x, the y and the z axis; by default PSNR, inception score, and the
            accuracy of the SVM (RBF) on samples of z_L: what reconstruction, generation and representation want.
            Where no run has one of these, R² of z_L, I(y; z_L), ELBO or total rate takes its place.
        theme: light or dark paper.

    Raises:
        StoreError: several data sets, or no finished run has all three metrics.
    """
    dataset, count = one_dataset(frame), layers(frame)
    names = metrics or _three(frame, count)
    rows = require(frame, *names)
    place = [values(rows, name) for name in names]
    shades, axis = common.ratio_colors(rows)
    title = ", ".join(style.title_of(name) if at == 0 else style.short(name) for at, name in enumerate(names))
    figure = _scene(title, dataset, theme, *names, axis, data_form(frame))
    dots = _dots(rows, place, shades, *names)
    return figure.add_traces([*_sheet(rows, place, shades), dots, *_symbols(rows, place)])


def _three(frame: pd.DataFrame, count: int) -> tuple[str, str, str]:
    """The first three of these that most runs can show."""
    wanted = (
        "test/psnr",
        "test/reconstruction_r2",
        "sample/inception_score",
        f"test/accuracy_svm_rbf_z{count}_sampled",
        f"test/r2_kernel_ridge_z{count}_sampled",
        f"test/mi_z{count}",
        "test/elbo",
        "test/rate",
    )
    known = [name for name in wanted if values(finished(frame), name).notna().mean() > 0.5]
    known += [name for name in wanted if name not in known]
    return known[0], known[1], known[2]


def _scene(
    title: str,
    dataset: str,
    theme: Theme,
    x: str,
    y: str,
    z: str,
    colors: dict[str, Any],
    form: schema.DataForm | None,
) -> go.Figure:
    axes = {
        f"{axis}axis": {
            "title": {"text": style.wrapped(name, 14, form), "font": {"size": 12}},
            "tickfont": {"size": 10},
        }
        for axis, name in zip("xyz", (x, y, z), strict=True)
    }
    figure = common.blank(title, dataset, theme, x="", y="", colors=colors)
    figure.update_layout(xaxis=None, yaxis=None)
    figure.update_layout(margin={"l": 16, "r": 0, "t": 48, "b": 36})
    return figure.update_layout(scene={**axes, "camera": _CAMERA, "aspectratio": {"x": 1.1, "y": 1.1, "z": 0.75}})


def _dots(rows: pd.DataFrame, place: list[pd.Series], shades: pd.Series, *says: str) -> go.Scatter3d:
    x, y, z = place
    marker = {"color": shades, "coloraxis": "coloraxis", "size": _DOT, "line": {"width": 0}}
    ids = rows["run_id"].astype(str)
    look = {"mode": "markers", "name": "run", "marker": marker, "showlegend": False}
    return go.Scatter3d(x=x, y=y, z=z, ids=ids, **look, **common.hover(rows, *says))


def _sheet(rows: pd.DataFrame, place: list[pd.Series], shades: pd.Series) -> list[go.Mesh3d]:
    """Triangles between runs that are neighbours in β; none where the βs lie on a line."""
    count = layers(rows)
    betas = [values(rows, f"beta_{layer}") for layer in common.pair_of(count, None)]
    if count == 1 or not all((beta > 0).all() for beta in betas):
        return []
    try:
        corners = Delaunay(np.column_stack([np.log(beta) for beta in betas])).simplices
    except (QhullError, ValueError):  # too few, or all on a line
        return []
    i, j, k = corners.T
    x, y, z = place
    look = {"opacity": 0.45, "coloraxis": "coloraxis", "hoverinfo": "skip", "flatshading": True}
    return [go.Mesh3d(x=x, y=y, z=z, i=i, j=j, k=k, intensity=shades, name="neighbours in β", **look)]


def _floor(x: pd.Series, y: pd.Series, z: pd.Series, text: str) -> go.Scatter3d:
    """Lines of equal total rate under the runs, labelled where they enter."""
    span = float(z.max() - z.min()) or 1.0
    bottom = float(z.min()) - 0.05 * span
    places: list[tuple[float | None, float | None, str]] = []
    for total, start, end in scales.total_lines(x, y):
        places += [(start, total - start, f"{text} = {style.number(total)}"), (end, total - end, ""), (None, None, "")]
    xs, ys, texts = zip(*places, strict=True) if places else ((), (), ())
    font = {"size": 10, "color": style.MUTED}
    return go.Scatter3d(
        x=xs,
        y=ys,
        z=[None if at is None else bottom for at in xs],
        text=texts,
        textfont=font,
        mode="lines+text",
        line={"color": style.MUTED, "width": 2},
        meta={"totals": text},
        hoverinfo="skip",
        showlegend=False,
    )


def _symbols(rows: pd.DataFrame, place: list[pd.Series]) -> list[go.Scatter3d]:
    """The runs whose βs are all equal, joined in the order of β, and a diamond at β = 1."""
    count = layers(rows)
    equal = rows[all_equal(rows, count)]
    order = values(equal, "beta_1").sort_values().index
    unit = rows.index[all_equal(rows, count, to=1.0)]
    traces = []
    if count > 1 and len(order):
        x, y, z = (axis[order] for axis in place)
        # Open, so that the runs' own colours are seen.
        line, marker = (
            {"color": style.EQUAL, "width": 4},
            {"symbol": "circle-open", "size": 2 * _DOT, "color": style.EQUAL},
        )
        traces.append(_marks(x, y, z, common.equal_name(count), mode="lines+markers", line=line, marker=marker))
    if len(unit):
        x, y, z = (axis[unit] for axis in place)
        marker = {"symbol": "diamond-open", "size": 3 * _DOT, "color": style.EQUAL}
        traces.append(_marks(x, y, z, common.unit_name(count), mode="markers", marker=marker))
    return traces


def _marks(x: pd.Series, y: pd.Series, z: pd.Series, name: str, **look: Any) -> go.Scatter3d:
    return go.Scatter3d(x=x, y=y, z=z, name=name, hoverinfo="skip", **look)
