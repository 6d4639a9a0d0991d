"""The picture of a rate surface beside the models that were trained for one β each."""

__all__ = ["surface_beside_dedicated"]

import pandas as pd
import plotly.graph_objects as go

from analysis.figures import common, scales, style
from analysis.figures.style import Theme
from analysis.frame import column, data_form, errors, layers, one_dataset, require, values
from analysis.settings import beta_names
from analysis.suggested_commands import surface_command
from hit.errors import StoreError


def surface_beside_dedicated(
    frame: pd.DataFrame, color_metric: str = "test/psnr", *, pair: tuple[int, int] | None = None, theme: Theme = "light"
) -> go.Figure:
    """Cells that one amortised model was read off at, and dedicated models, in the plane of two rates.

    Thin lines join the surface's cells of equal β_l: the grid of β as it lies in rate space. A diamond is a model
    trained for its β alone, joined by a dotted line to the surface's cell at the same β; its bars are of one standard
    error over the test images, as far as it is known. One metric colours both.

    Args:
        frame: runs of one data set, of a surface (column `amortised`) and dedicated ones.
        color_metric: name of the metric in the store.
        pair: the layers on the x and the y axis, by default the lowest and the top one.
        theme: light or dark paper.

    Raises:
        StoreError: several data sets, no finished cell of a surface has the metric and the rates, or cells of several
            surfaces.
    """
    dataset, count = one_dataset(frame), layers(frame)
    across, up = common.plane(count, pair)
    rows, form = require(frame, across, up, color_metric), data_form(frame)
    parents = column(rows, "amortised")
    cells, dedicated = rows[parents.notna()], rows[parents.isna()]
    if parents.nunique() != 1:
        raise StoreError(
            f"frame must hold the cells of one surface (`{surface_command(frame)}`), got {parents.nunique()}"
        )
    figure = common.blank(
        "A surface beside models trained for one β",
        dataset,
        theme,
        x=style.label(across, form),
        y=style.label(up, form),
        colors=common.coloraxis(color_metric, form),
        rates=common.rate_axes(count),
    )
    scales.equal_totals(figure, values(rows, across), values(rows, up), scales.total_name(count, pair))
    for name in beta_names(count):
        figure.add_trace(_grid_lines(cells, across, up, name, beta_names(count)))
    figure.add_trace(_links(cells, dedicated, across, up, beta_names(count)))
    for group, name, symbol, size in (
        (cells, "read off the surface", "circle", 6),
        (dedicated, "trained for its β", "diamond", 13),
    ):
        line = {"width": 1.2 if group is dedicated else 0, "color": style.EQUAL}
        marker = {
            "color": values(group, color_metric),
            "coloraxis": "coloraxis",
            "symbol": symbol,
            "size": size,
            "line": line,
        }
        runs = common.points(group, values(group, across), values(group, up), name, marker, color_metric)
        if group is dedicated:
            runs.update(
                **{f"error_{axis}": style.error_bars(errors(group, one)) for axis, one in (("x", across), ("y", up))}
            )
        figure.add_trace(runs)
        figure.add_trace(common.legend_entry(name, symbol))
    return figure


def _grid_lines(cells: pd.DataFrame, across: str, up: str, along: str, betas: list[str]) -> go.Scatter:
    """Lines along which only `along` changes."""
    others = [name for name in betas if name != along]
    xs: list[float | None] = []
    ys: list[float | None] = []
    groups = [cells] if not others else [group for _, group in cells.groupby(others)]
    for group in groups:
        ordered = group.sort_values(along)
        xs += [*values(ordered, across), None]
        ys += [*values(ordered, up), None]
    line = {"color": style.MUTED, "width": 0.7}
    return go.Scatter(x=xs, y=ys, mode="lines", line=line, hoverinfo="skip", showlegend=False)


def _links(cells: pd.DataFrame, dedicated: pd.DataFrame, across: str, up: str, betas: list[str]) -> go.Scatter:
    """From every dedicated model to the cell at its β."""
    joined = dedicated.merge(cells, on=betas, suffixes=("", "_cell"))
    xs: list[float | None] = []
    ys: list[float | None] = []
    for _, row in joined.iterrows():
        xs += [row[across], row[f"{across}_cell"], None]
        ys += [row[up], row[f"{up}_cell"], None]
    line = {"color": style.EQUAL, "width": 1.4, "dash": "dot"}
    return go.Scatter(x=xs, y=ys, mode="lines", line=line, hoverinfo="skip", showlegend=False)
