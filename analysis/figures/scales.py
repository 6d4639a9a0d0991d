"""The axes of rates: fitted to the runs, with lines of equal total rate behind them, linear or logarithmic.

Logarithmic ones are for runs that lie decades apart and would pile up in a corner.
"""

__all__ = ["equal_totals", "logarithmic", "spans_decades", "total_lines", "total_name"]

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from analysis.figures import style
from analysis.figures.common import pair_of
from analysis.frame import values

Array = NDArray[np.float64]

#: Where a label stands beside the upper or left end of its line: without a ground, which would hide runs.
_LABEL = {
    "showarrow": False,
    "xanchor": "left",
    "xshift": 2,
    "yanchor": "bottom",
    "yshift": 1,
    "bgcolor": "rgba(0,0,0,0)",
}

#: An axis spans no more than this: what is less stands at its lower end, such as the rates of collapsed layers.
_SPAN = 1000.0
_MOST_TICKS = 7
_MOST_TOTALS = 8
#: Points of half a line of equal total, which is a curve on these axes.
_POINTS = 24


@dataclass(frozen=True)
class _Axis:
    """A logarithmic axis.

    Attributes:
        low, high: its ends.
        floor: where the least runs stand; None where all are within the span.
    """

    low: float
    high: float
    floor: float | None

    def placed(self, numbers: Any) -> Array:
        """Where numbers stand: those below the floor, and 0, at the lower end; what is missing stays so."""
        array = np.asarray(numbers, float)
        if self.floor is not None:
            return np.where(array < self.floor, self.floor, array)
        return np.where(array <= 0, self.low, array)

    def updating(self, axis: Any) -> None:
        """Give an axis of a figure these properties."""
        axis.update(self.layout())

    def layout(self) -> dict[str, Any]:
        """The properties of Plotly's axis."""
        least = self.floor or self.low
        ticks = [tick for tick in _ticks(least, self.high) if tick >= least * (1.0 if self.floor is None else 1.5)]
        texts = [f"{tick:g}" for tick in ticks]
        if self.floor is not None:
            ticks, texts = [self.floor, *ticks], [f"≤{self.floor:g}", *texts]
        ends = [math.log10(self.low), math.log10(self.high)]
        return {"type": "log", "range": ends, "tickmode": "array", "tickvals": ticks, "ticktext": texts}


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
        place = {"x": start, "y": total - start, **_LABEL}
        if start < left + 0.9 * (right - left):
            labels.append({"text": f"{text} = {style.number(total)}", **place})
    figure.update_layout(annotations=labels, xaxis_range=[left, right], yaxis_range=[bottom, top])
    line = {"color": style.MUTED, "width": 0.8}
    look = {"mode": "lines", "line": line, "hoverinfo": "skip", "showlegend": False}
    figure.add_trace(go.Scatter(x=xs, y=ys, meta={"totals": text}, **look))


def total_lines(x: pd.Series, y: pd.Series) -> list[tuple[float, float, float]]:
    """Round totals x + y within the axes that fit the points, each with the x where its line enters and leaves."""
    (left, right), (bottom, top) = _padded(x), _padded(y)
    totals = _round_steps(left + bottom, right + top, at_most=8)
    return [(total, max(left, total - top), min(right, total - bottom)) for total in totals]


def spans_decades(frame: pd.DataFrame, names: Iterable[str]) -> bool:
    """Whether half of the runs would pile up in the lowest tenth of one of these axes.

    Args:
        frame: finished runs.
        names: rates, in the store's names.
    """
    known = [values(frame, name).dropna() for name in names]
    return any(len(rates) and 0 <= rates.median() < 0.1 * rates.max() for rates in known)


def logarithmic(figure: go.Figure) -> go.Figure:
    """The same figure with its rates on logarithmic axes of at most three decades; the figure that is given stays.

    Rates below the span stand at its lower end, whose tick says so; the side of a region at 0 stands there, too.
    Figures without an axis of rates come back as they are.

    Args:
        figure: of this package; which of its axes hold rates stands in `layout.meta`.
    """
    made = go.Figure(figure)
    sides = (made.layout.meta or {}).get("rates", "")
    axes = {side: axis for side in sides if (axis := _axis(made, side)) is not None}
    for trace in made.data:
        if "totals" not in (trace.meta or {}):
            for side, axis in axes.items():
                if trace[side] is not None:
                    trace[side] = axis.placed(trace[side])
    solid = any(trace.type == "scatter3d" for trace in made.data)
    for side, axis in axes.items():
        if solid:
            made.layout.scene[f"{side}axis"].update(axis.layout())
        else:
            made.for_each_xaxis(axis.updating) if side == "x" else made.for_each_yaxis(axis.updating)
    for shape in made.layout.shapes:
        shape.update({end: axes["x"].placed(shape[end]) for end in ("x0", "x1") if "x" in axes})
    if axes:
        made.layout.meta = {**made.layout.meta, "floors": {side: axis.floor for side, axis in axes.items()}}
        _retotal(made, axes, solid=solid)
    return made


def _padded(numbers: pd.Series) -> tuple[float, float]:
    """Ends of an axis with some room, from zero where the points begin near it."""
    low, high = float(numbers.min()), float(numbers.max())
    span = (high - low) or max(abs(high), 1.0)
    if 0 <= low <= 0.5 * span:
        low, span = 0.0, high or span
    return low - 0.03 * span, high + 0.07 * span


def _round_steps(low: float, high: float, at_most: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten strictly between two totals."""
    rough = (high - low) / at_most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    totals = [round(i * step, 12) for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return [total for total in totals if max(low, 0.0) < total < high]


def _axis(figure: go.Figure, side: str) -> _Axis | None:
    """The axis that the runs of a figure need; None where no rate is above zero."""
    arrays = [np.asarray(trace[side], float) for trace in figure.data if trace.ids is not None]
    rates = np.concatenate(arrays) if arrays else np.empty(0)
    positive = rates[rates > 0]
    if not len(positive):
        return None
    least, high = float(positive.min()), float(positive.max())
    power = 10.0 ** math.floor(math.log10(high / _SPAN))
    floor = max(power * factor for factor in (1, 2, 5) if power * factor <= high / _SPAN * (1 + 1e-9))
    if np.nanmin(rates) >= floor:
        room = max(1.15, (high / least) ** 0.04)
        return _Axis(least / room, high * room, None)
    room = (high / floor) ** 0.04
    return _Axis(floor / room, high * room, floor)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from low to high, as many as there is room for."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        ticks = [factor * 10.0**power for power in powers for factor in factors]
        ticks = [float(f"{tick:.3g}") for tick in ticks if low <= tick <= high]
        if len(ticks) <= _MOST_TICKS:
            break
    return ticks


def _retotal(figure: go.Figure, axes: dict[str, _Axis], *, solid: bool) -> None:
    """Lines of equal total as the curves that they are on these axes, labelled where they enter."""
    across, up = axes["x"], axes.get("y")
    for trace in figure.data:
        text = (trace.meta or {}).get("totals")
        if text is None:
            continue
        heights = [one for one in trace.y if one is not None]
        if not heights:
            continue
        bottom, top = (up.low, up.high) if up else (min(heights), max(heights))
        curves = list(_curves(across, bottom, top, logarithmic_up=up is not None))
        gap = np.array([np.nan])
        trace.x = np.concatenate([part for _, x, _ in curves for part in (x, gap)] or [gap])
        trace.y = np.concatenate([part for _, _, y in curves for part in (y, gap)] or [gap])
        labels = [f"{text} = {style.number(total)}" for total, *_ in curves]
        if solid:
            height = next(z for z in trace.z if z is not None)
            trace.z = np.where(np.isnan(trace.x), np.nan, height)
            trace.text = [
                word for label, (_, x, _) in zip(labels, curves, strict=True) for word in (label, *[""] * len(x))
            ]
        else:
            figure.layout.annotations = [
                {"text": label, "x": math.log10(x[0]), "y": math.log10(y[0]) if up else y[0], **_LABEL}
                for label, (_, x, y) in zip(labels, curves, strict=True)
            ]


def _curves(across: _Axis, bottom: float, top: float, *, logarithmic_up: bool) -> Iterator[tuple[float, Array, Array]]:
    """Total, x and y of each line of equal total between these ends, from left to right."""
    low, high = across.low + bottom, across.high + top
    if logarithmic_up:
        totals = [total for total in _ticks(low, high) if low < total < 0.98 * high]
    else:
        totals = _round_steps(low, high, at_most=_MOST_TOTALS)
    for total in totals:
        start, end = max(across.low, total - top), min(across.high, total - bottom)
        if start >= end:
            continue
        middle = math.sqrt(start * end) if end < total / 2 else max(start, min(end, total / 2))
        x = np.geomspace(start, middle, _POINTS)
        if end > middle:
            # Towards the right end y falls steeply.
            least = max(total - end, 1e-9 * total)
            x = np.concatenate([x, (total - np.geomspace(total - middle, least, _POINTS))[1:]])
        yield total, x, total - x
