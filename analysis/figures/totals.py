"""Lines of equal total rate behind the runs, and the axes that fit both."""

__all__ = ["LABEL", "equal_totals", "round_steps", "total_lines", "total_name"]

import math

import pandas as pd
import plotly.graph_objects as go

from analysis.figures import style
from analysis.figures.common import pair_of

#: Where a label stands beside the upper or left end of its line: without a ground, which would hide runs.
LABEL = {
    "showarrow": False,
    "xanchor": "left",
    "xshift": 2,
    "yanchor": "bottom",
    "yshift": 1,
    "bgcolor": "rgba(0,0,0,0)",
}


def total_name(count: int, pair: tuple[int, int] | None) -> str:
    """What is constant along the lines of that plane."""
    first, second = pair_of(count, pair)
    if count == 1:
        return "−ELBO"
    return "R" if count == 2 else style.markup(f"R_{first} + R_{second}")


def equal_totals(figure: go.Figure, x: pd.Series, y: pd.Series, text: str) -> None:
    """Fit the axes to the points and draw thin lines of equal x + y behind them, labelled where they enter."""
    (left, right), (bottom, top) = _padded(x), _padded(y)
    xs: list[float | None] = []
    ys: list[float | None] = []
    labels = []
    for total, start, end in total_lines(x, y):
        xs += [start, end, None]
        ys += [total - start, total - end, None]
        place = {"x": start, "y": total - start, **LABEL}
        if start < left + 0.9 * (right - left):
            labels.append({"text": f"{text} = {style.number(total)}", **place})
    figure.update_layout(annotations=labels, xaxis_range=[left, right], yaxis_range=[bottom, top])
    line = {"color": style.MUTED, "width": 0.8}
    look = {"mode": "lines", "line": line, "hoverinfo": "skip", "showlegend": False}
    figure.add_trace(go.Scatter(x=xs, y=ys, meta={"totals": text}, **look))


def total_lines(x: pd.Series, y: pd.Series) -> list[tuple[float, float, float]]:
    """Round totals x + y within the axes that fit the points, each with the x where its line enters and leaves."""
    (left, right), (bottom, top) = _padded(x), _padded(y)
    totals = round_steps(left + bottom, right + top, at_most=8)
    return [(total, max(left, total - top), min(right, total - bottom)) for total in totals]


def _padded(numbers: pd.Series) -> tuple[float, float]:
    """Ends of an axis with some room, from zero where the points begin near it."""
    low, high = float(numbers.min()), float(numbers.max())
    span = (high - low) or max(abs(high), 1.0)
    if 0 <= low <= 0.5 * span:
        low, span = 0.0, high or span
    return low - 0.03 * span, high + 0.07 * span


def round_steps(low: float, high: float, at_most: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten strictly between two totals."""
    rough = (high - low) / at_most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    totals = [round(i * step, 12) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return [total for total in totals if max(low, 0.0) < total < high]
