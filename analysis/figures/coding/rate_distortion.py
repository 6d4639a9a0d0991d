"""Rate-distortion curves of measured bits: every run's lossy code, the best of all, R itself, and image files."""

__all__ = ["rate_distortion"]

import math

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from analysis.figures import common, pareto, style
from analysis.figures.style import Theme
from analysis.frame import one_dataset, require, values
from analysis.rate_distortion import CodedPoints, coded_points, file_curves, png_bits
from hit.schema import LOSSY_STEPS

#: Room beside the rightmost point of a run, as a share; files may go on beyond.
_ROOM = 1.08
_FILE_DASHES = {"JPEG": "dash", "WebP": "dashdot"}


def rate_distortion(frame: pd.DataFrame, *, theme: Theme = "light") -> go.Figure:
    """PSNR against bits per image, as files would have them.

    A grey line is a run, by the steps of its lossy code, and a point is coloured by log10(β_L / β_1). The solid line
    joins the points that no mixture of others beats. Open diamonds stand at R, in bits, and the PSNR of reconstructions
    from posterior means: what the rate promises, and what it costs, with a hull of their own. JPEG and WebP, and PNG,
    which loses nothing, hold the same images as one mosaic.

    Args:
        frame: runs of one data set.
        theme: light or dark paper.

    Raises:
        StoreError: several data sets, or no finished run has measured bits.
    """
    dataset = one_dataset(frame)
    finest = LOSSY_STEPS[0]
    rows = require(frame, f"test/lossy_bits_step_{finest}", f"test/lossy_psnr_step_{finest}")
    points = coded_points(rows)
    shades, axis = common.ratio_colors(rows)
    figure = common.blank(
        "Rate and distortion, measured", dataset, theme, x="bits per image", y=style.label("test/psnr"), colors=axis
    )
    figure.add_trace(_curves(points))
    figure.add_traces(_files(rows))
    bits = pd.concat([one.bits for one in points]).to_numpy()
    psnr = pd.concat([one.psnr for one in points]).to_numpy()
    figure.add_trace(_hull(bits, psnr, "hull of all codes", {"color": style.FRONT, "width": 2}))
    promised, kept = values(rows, "test/rate").dropna() / math.log(2), values(rows, "test/psnr").dropna()
    here = promised.index.intersection(kept.index)
    if len(here):
        dotted = {"color": style.MUTED, "width": 1.6, "dash": "dot"}
        figure.add_trace(_hull(promised[here], kept[here], "hull of R and posterior means", dotted))
        marker = {"color": shades[here], "coloraxis": "coloraxis", "symbol": "diamond-open", "size": 9}
        figure.add_trace(common.points(rows.loc[here], promised[here], kept[here], "R", marker, "test/psnr"))
    for one in points:
        at = one.bits.index
        names = (f"test/lossy_bits_step_{one.step}", f"test/lossy_psnr_step_{one.step}")
        marker = {"color": shades[at], "coloraxis": "coloraxis", "symbol": "circle", "size": 6}
        figure.add_trace(common.points(rows.loc[at], one.bits, one.psnr, f"step {one.step}", marker, *names))
    figure.add_traces([common.legend_entry("coded", "circle"), common.legend_entry("R, means", "diamond-open")])
    lossless = png_bits(rows)
    right = _ROOM * max(float(bits.max()), float(promised[here].max()) if len(here) else 0.0, lossless or 0.0)
    figure.update_xaxes(range=[0, right])
    low, high = min([psnr.min(), *kept[here]]), max([psnr.max(), *kept[here]])
    margin = 0.06 * (high - low) or 1.0
    figure.update_yaxes(range=[low - margin, high + margin])
    if lossless is not None:
        figure.add_trace(_lossless(lossless, low - margin, high + margin))
    return figure


def _curves(points: list[CodedPoints]) -> go.Scatter:
    """The steps of every run as one trace, runs parted by gaps."""
    x: list[float | None] = []
    y: list[float | None] = []
    for run in points[0].bits.index:
        steps = [one for one in points if run in one.bits.index]
        x += [*(float(one.bits[run]) for one in steps), None]
        y += [*(float(one.psnr[run]) for one in steps), None]
    line = {"color": style.MUTED, "width": 0.8}
    return go.Scatter(x=x, y=y, mode="lines", name="one model, by steps", line=line, hoverinfo="skip", opacity=0.6)


def _hull(bits: ArrayLike, psnr: ArrayLike, name: str, line: dict[str, object]) -> go.Scatter:
    x, y = np.asarray(bits, float), np.asarray(psnr, float)
    kept = pareto.convex_hull(x, y, "maximize")
    return go.Scatter(x=x[kept], y=y[kept], mode="lines", name=name, line=line, hoverinfo="skip")


def _files(frame: pd.DataFrame) -> list[go.Scatter]:
    return [
        go.Scatter(
            x=curve.bits,
            y=curve.psnr,
            mode="lines",
            name=label,
            line={"color": style.EQUAL, "width": 1.6, "dash": _FILE_DASHES[label]},
            hovertemplate=f"{label}: %{{x:.0f}} bits, %{{y:.2f}} dB<extra></extra>",
        )
        for label, curve in file_curves(frame).items()
    ]


def _lossless(bits: float, low: float, high: float) -> go.Scatter:
    return go.Scatter(
        x=[bits, bits],
        y=[low, high],
        mode="lines",
        name="PNG, without loss",
        line={"color": style.EQUAL, "width": 1.2, "dash": "dot"},
        hovertemplate=f"PNG: {bits:.0f} bits<extra></extra>",
    )
