"""The picture over the grid of βs."""

__all__ = ["beta_heatmap"]

import pandas as pd
import plotly.graph_objects as go

from analysis import marks, style
from analysis.comparable import beta_names
from analysis.runs import column, layers, one_dataset, require, values
from analysis.style import Theme
from hit import schema

#: Up to so many cells a side have room for their number.
_ROOMY = 7


def beta_heatmap(
    frame: pd.DataFrame, metric: str, *, pair: tuple[int, int] | None = None, theme: Theme = "light"
) -> go.Figure:
    """A metric over the grid of βs: a cell is the mean of the finished runs there; brighter is better.

    Cells without a finished run stay empty and bear a cross, a heavy one where a run has failed. βs on no
    grid, such as those that a search proposes, are drawn as points. For three layers and more, the
    other βs are held at the values that most runs have; for one layer the metric is drawn over β_1.

    Args:
        frame: runs of one data set.
        metric: name of the metric in the store.
        pair: the layers on the x and the y axis, by default the lowest and the top one.
        theme: light or dark paper.

    Raises:
        StoreError: several data sets, or no finished run has the metric.
    """
    dataset = one_dataset(frame)
    count = layers(frame)
    first, second = marks.pair_of(count, pair)
    x_name, y_name = f"beta_{first}", f"beta_{second}"
    rows, tried = require(frame, metric, *beta_names(count)), frame.dropna(subset=[x_name, y_name])
    held = []
    for name in beta_names(count):
        if name not in (x_name, y_name):
            value = float(_rounded(rows, name).mode().iloc[0])
            rows, tried = rows[_rounded(rows, name) == value], tried[_rounded(tried, name) == value]
            held.append(f" at {style.label(name)} = {style.number(value)}")
    betas = style.label(x_name) if count == 1 else f"({style.label(x_name)}, {style.label(y_name)})"
    figure = marks.blank(f"{style.title_of(metric)} over {betas}{''.join(held)}", dataset, theme)
    figure.update_layout(xaxis_title_text=style.label(x_name), yaxis_title_text=style.label(y_name))
    x, y = _rounded(rows, x_name), _rounded(rows, y_name)
    if count == 1:
        _add_curve(figure, rows, x, metric)
    elif 3 * len({*zip(x, y, strict=True)}) >= x.nunique() * y.nunique():
        _add_cells(figure, rows, tried[column(tried, "status") == "FAILED"], metric, x_name, y_name)
    else:
        _add_points(figure, rows, x, y, metric)
    return figure


def _add_cells(
    figure: go.Figure, rows: pd.DataFrame, failed: pd.DataFrame, metric: str, x_name: str, y_name: str
) -> None:
    x, y = _rounded(rows, x_name), _rounded(rows, y_name)
    lost = {*zip(_rounded(failed, x_name), _rounded(failed, y_name), strict=True)}
    xs, ys = sorted({*x, *(a for a, _ in lost)}), sorted({*y, *(b for _, b in lost)})
    cells = values(rows, metric).groupby([y, x]).agg(["mean", "std", "count"])
    means = cells["mean"].unstack().reindex(index=ys, columns=xs)
    declared = schema.metric(metric)
    texts = {cell: _cell_text(*numbers) for cell, *numbers in cells.itertuples()}
    roomy = max(len(xs), len(ys)) <= _ROOMY
    figure.add_trace(
        go.Heatmap(
            x=[f"{a:g}" for a in xs],
            y=[f"{b:g}" for b in ys],
            z=means.to_numpy(),
            coloraxis="coloraxis",
            customdata=[[texts.get((b, a), ("", "")) for a in xs] for b in ys],
            hovertemplate=f"{style.label(x_name)} = %{{x}}, {style.label(y_name)} = %{{y}}<br>"
            f"{style.markup(declared.label)} = %{{customdata[0]}} {declared.unit}<br>%{{customdata[1]}}<extra></extra>",
            hoverongaps=False,
            texttemplate="%{z:.3g}" if roomy else None,
        )
    )
    kinds = (
        ("no finished run", {"symbol": "x-thin", "size": 7, "line": {"width": 1.2, "color": style.MUTED}}),
        ("failed", {"symbol": "x", "size": 8, "color": style.FAILED}),
    )
    gaps = [(a, b) for b in ys for a in xs if pd.isna(means.loc[b, a])]
    for (name, marker), heavy in zip(kinds, (False, True), strict=True):
        _add_marks(figure, [cell for cell in gaps if (cell in lost) == heavy], name, marker)
    common = sorted({*xs} & {*ys})
    if len(common) > 1:
        figure.add_trace(
            go.Scatter(
                x=[f"{a:g}" for a in common],
                y=[f"{a:g}" for a in common],
                mode="lines",
                name="equal β",
                line={"color": style.EQUAL, "width": 1.5, "dash": "dot"},
                hoverinfo="skip",
            )
        )
    if (1.0, 1.0) in cells.index:
        _add_marks(figure, [(1.0, 1.0)], "β = 1", {**style.STAR, "size": 13})
    if declared.direction is not None:
        b, a = cells["mean"].sort_values(ascending=declared.direction == "minimize").index[0]
        _add_marks(figure, [(a, b)], "best", style.BEST)
    figure.update_layout(coloraxis=marks.coloraxis(metric))
    figure.update_xaxes(**_ticks(xs), showgrid=False)
    figure.update_yaxes(**_ticks(ys), showgrid=False)


def _add_marks(figure: go.Figure, cells: list[tuple[float, float]], name: str, marker: dict[str, object]) -> None:
    if cells:
        x, y = [f"{a:g}" for a, _ in cells], [f"{b:g}" for _, b in cells]
        figure.add_trace(go.Scatter(x=x, y=y, mode="markers", name=name, marker=marker, hoverinfo="skip"))


def _add_points(figure: go.Figure, rows: pd.DataFrame, x: pd.Series, y: pd.Series, metric: str) -> None:
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="markers",
            name="run",
            marker={"color": values(rows, metric), "coloraxis": "coloraxis", "symbol": "square", "size": 11},
            **marks.hover(rows, metric),
            showlegend=False,
        )
    )
    figure.add_traces(marks.symbols(rows, x, y))
    figure.update_layout(coloraxis=marks.coloraxis(metric))
    figure.update_xaxes(**_scale(x))
    figure.update_yaxes(**_scale(y))


def _add_curve(figure: go.Figure, rows: pd.DataFrame, x: pd.Series, metric: str) -> None:
    scores = values(rows, metric)
    means = scores.groupby(x).mean()
    figure.add_trace(
        go.Scatter(x=means.index, y=means, mode="lines", name="mean", line={"color": style.LINE}, hoverinfo="skip")
    )
    figure.add_trace(
        go.Scatter(
            x=x,
            y=scores,
            mode="markers",
            name="run",
            marker={"color": style.LINE},
            **marks.hover(rows, metric),
        )
    )
    figure.add_traces(marks.symbols(rows, x, scores))
    figure.update_xaxes(**_scale(x))
    figure.update_layout(yaxis_title_text=style.label(metric))


def _rounded(frame: pd.DataFrame, name: str) -> pd.Series:
    """βs to six digits: 0.1 and 0.1 + 1e-17 are one column of cells."""
    return values(frame, name).map(lambda beta: float(f"{beta:.6g}"))


def _cell_text(mean: float, spread: float, count: int) -> tuple[str, str]:
    if count == 1:
        return style.number(mean), "1 run"
    return f"{style.number(mean)} ± {style.number(spread, 2)}", f"mean ± spread of {count} runs"


def _ticks(betas: list[float]) -> dict[str, object]:
    """One category a value in the order of β, labelled as often as a narrow page has room for."""
    names = [f"{beta:g}" for beta in betas]
    steps = [k for k in range(1, len(names) + 1) if len(names) <= k * _ROOMY]
    # Rather both ends and β = 1 than the finest step.
    every = min(steps, key=lambda k: ((len(names) - 1) % k > 0, "1" in names and names.index("1") % k > 0, k))
    return {
        "type": "category",
        "categoryorder": "array",
        "categoryarray": names,
        "tickmode": "array",
        "tickvals": names[::every],
        "ticktext": [style.number(beta, 3) for beta in betas[::every]],
    }


def _scale(betas: pd.Series) -> dict[str, object]:
    if (betas <= 0).any():  # zero has no place on a log axis
        return {"type": "linear"}
    return {"type": "log", "dtick": "D2" if betas.max() < 20 * betas.min() else 1}
