"""The picture over the grid of βs."""

__all__ = ["beta_heatmap"]

import math
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from analysis import bounds
from analysis.figures import common, style
from analysis.figures.style import Theme
from analysis.frame import column, data_form, layers, one_dataset, require, values
from analysis.settings import beta_names
from hit import schema

#: Up to so many cells a side have room for their number, and for their label.
_ROOM_FOR_NUMBERS = 5
_ROOM_FOR_LABELS = 7


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
    dataset, form = one_dataset(frame), data_form(frame)
    count = layers(frame)
    first, second = common.pair_of(count, pair)
    x_name, y_name = f"beta_{first}", f"beta_{second}"
    rows, tried = require(frame, metric, *beta_names(count)), frame.dropna(subset=[x_name, y_name])
    held = []
    for name in beta_names(count):
        if name not in (x_name, y_name):
            value = _commonest(_rounded(rows, name))
            rows, tried = rows[_rounded(rows, name) == value], tried[_rounded(tried, name) == value]
            held.append(f" at {style.label(name)} = {style.number(value)}")
    betas = style.label(x_name) if count == 1 else f"({style.label(x_name)}, {style.label(y_name)})"
    figure = common.blank(
        f"{style.title_of(metric)} over {betas}{''.join(held)}",
        dataset,
        theme,
        x=style.label(x_name),
        y=style.label(metric if count == 1 else y_name, form),
        colors=None if count == 1 else common.coloraxis(metric, form),
    )
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
    declared = schema.metric(metric).of(data_form(rows))
    said = {cell: _cell_text(*numbers) for cell, *numbers in cells.itertuples()}
    run_ids = rows["run_id"].astype(str).groupby([y, x]).agg(list).to_dict()
    best = None
    if declared.direction is not None:
        best = cells["mean"].sort_values(ascending=declared.direction == "minimize").index[0]
        level = bounds.chance(rows, metric)
        if level is not None and cells["mean"][best] <= level:
            best = None  # nothing is learnt
    heatmap = go.Heatmap(
        x=[f"{a:g}" for a in xs],
        y=[f"{b:g}" for b in ys],
        z=means.to_numpy(),
        coloraxis="coloraxis",
        meta={"runs": [[run_ids.get((b, a), []) for a in xs] for b in ys]},
        customdata=[[said.get((b, a), ("", "")) for a in xs] for b in ys],
        hovertemplate=f"{style.label(x_name)} = %{{x}}, {style.label(y_name)} = %{{y}}<br>"
        f"{style.markup(declared.label)} = %{{customdata[0]}} {declared.unit}<br>%{{customdata[1]}}<extra></extra>",
        hoverongaps=False,
    )
    figure.add_trace(heatmap)
    gaps = [(b, a) for b in ys for a in xs if (b, a) not in said]
    _add_marks(figure, [cell for cell in gaps if cell[::-1] not in lost], "no finished run", style.GAP)
    _add_marks(figure, [cell for cell in gaps if cell[::-1] in lost], "failed", style.FAILED)
    if max(len(xs), len(ys)) <= _ROOM_FOR_NUMBERS:  # they stand in the cells, and marks would hide them
        figure.add_trace(_numbers(cells["mean"], best, declared.direction))
    else:
        diagonal = [f"{a:g}" for a in sorted({*xs} & {*ys})]
        line = {"color": style.EQUAL, "width": 1.5, "dash": "dot"}
        figure.add_trace(go.Scatter(x=diagonal, y=diagonal, mode="lines", name="equal β", line=line, hoverinfo="skip"))
        _add_marks(figure, [(1.0, 1.0)] if (1.0, 1.0) in said else [], "β = 1", {**style.STAR, "size": 13})
        _add_marks(figure, [best] if best else [], "best", style.BEST)
    figure.update_layout(xaxis=_ticks(xs), yaxis=_ticks(ys))


def _numbers(means: pd.Series, best: tuple[float, float] | None, direction: schema.Direction | None) -> go.Scatter:
    """The mean of each cell, with a word on the best one and on β = 1."""
    tags: dict[Any, str] = {(1.0, 1.0): "<br>β = 1", best: "<br><b>best</b>"}
    shares = (means - means.min()) / ((means.max() - means.min()) or 1.0)
    if direction == "minimize":
        shares = 1 - shares
    return go.Scatter(
        x=[f"{a:g}" for _, a in means.index],
        y=[f"{b:g}" for b, _ in means.index],
        text=[style.number(mean, 3, padded=True) + tags.get(cell, "") for cell, mean in means.items()],
        mode="text",
        name="numbers",
        textfont={"size": 11, "color": [style.text_on(share) for share in shares]},
        hoverinfo="skip",
        showlegend=False,
    )


def _add_marks(figure: go.Figure, cells: list[tuple[float, float]], name: str, marker: dict[str, object]) -> None:
    """Marks over cells, each given by its row's β and its column's."""
    if cells:
        x, y = [f"{a:g}" for _, a in cells], [f"{b:g}" for b, _ in cells]
        figure.add_trace(go.Scatter(x=x, y=y, mode="markers", name=name, marker=marker, hoverinfo="skip"))


def _add_points(figure: go.Figure, rows: pd.DataFrame, x: pd.Series, y: pd.Series, metric: str) -> None:
    marker = {"color": values(rows, metric), "coloraxis": "coloraxis", "symbol": "square", "size": 11}
    marks = [*common.seed_means(rows, x, y, metric), *common.symbols(rows, x, y)]
    figure.add_traces([common.points(rows, x, y, "run", marker, metric), *marks])
    figure.update_layout(xaxis=_scale(x), yaxis=_scale(y))


def _add_curve(figure: go.Figure, rows: pd.DataFrame, x: pd.Series, metric: str) -> None:
    scores = values(rows, metric)
    means = scores.groupby(x).mean()
    line = {"color": style.LINE}
    figure.add_traces(
        [
            go.Scatter(x=means.index, y=means, mode="lines", name="mean", line=line, hoverinfo="skip"),
            common.points(rows, x, scores, "run", line, metric),
            *common.seed_means(rows, x, scores, metric),
            *common.symbols(rows, x, scores),
        ]
    )
    figure.update_layout(xaxis=_scale(x))


def _rounded(frame: pd.DataFrame, name: str) -> pd.Series:
    """βs to six digits: 0.1 and 0.1 + 1e-17 are one column of cells."""
    return values(frame, name).map(lambda beta: float(f"{beta:.6g}"))


def _commonest(betas: pd.Series) -> float:
    """The β that most runs have; of several, the one nearest to 1."""
    counts = betas.value_counts()
    return float(min(counts.index[counts == counts.max()], key=lambda beta: abs(math.log(beta)) if beta else math.inf))


def _cell_text(mean: float, spread: float, count: int) -> tuple[str, str]:
    if count == 1:
        return style.number(mean), "1 run"
    return f"{style.number(mean)} ± {style.margin(spread)}", f"mean ± spread of {count} runs"


def _ticks(betas: list[float]) -> dict[str, object]:
    """One category a value in the order of β, labelled as often as a narrow page has room for."""
    names = [f"{beta:g}" for beta in betas]
    steps = [k for k in range(1, len(names) + 1) if len(names) <= k * _ROOM_FOR_LABELS]
    # Rather both ends and β = 1 than the finest step.
    every = min(steps, key=lambda k: ((len(names) - 1) % k > 0, "1" in names and names.index("1") % k > 0, k))
    return {
        "showgrid": False,
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
