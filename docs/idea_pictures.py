"""The pictures of docs/idea.md: the two ways through a model of two layers, and rate space on recorded models.

    python -m docs.idea_pictures

They are SVG whose ink follows the reader's theme, light or dark. The recorded models are those of
tests/data/digits_surface.csv.
"""

__all__ = ["main"]

import math
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch

from docs.themed_svg import INK, style, write
from hit.metrics.bounds import accuracy_bound

_DOCS = Path(__file__).resolve().parent
_SURFACE = _DOCS.parent / "tests" / "data" / "digits_surface.csv"
_CLASSES = 10


def main() -> None:
    """Draw and write them."""
    with style():
        write(_two_ways(), _DOCS / "idea_model.svg")
        surface = pd.read_csv(_SURFACE)
        write(_planes(surface), _DOCS / "idea_rate_space.svg")
        write(_bound(surface), _DOCS / "idea_bound.svg")


def _two_ways() -> Figure:
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(8, 3.4))
    for axes, title in ((left, "inference: q"), (right, "generation: p")):
        axes.set(xlim=(-1.8, 1.8), ylim=(-0.6, 4.7), aspect="equal", title=title)
        axes.axis("off")
        for name, place in (("$x$", 0.0), ("$z_1$", 2.0), ("$z_2$", 4.0)):
            axes.add_patch(Circle((0, place), 0.42, facecolor="none", edgecolor=INK, linewidth=1.4))
            axes.text(0, place, name, ha="center", va="center", fontsize=13)
    _arrow(left, (0.3, 0.35), (0.3, 3.65), bend=0.45)
    _arrow(left, (0, 0.45), (0, 1.55))
    _arrow(left, (0, 3.55), (0, 2.45))
    left.text(1.15, 2.0, "$q(z_2|x)$", va="center", fontsize=11)
    left.text(-0.2, 1.0, "$q(z_1|z_2,x)$", va="center", ha="right", fontsize=11)
    _arrow(right, (0, 3.55), (0, 2.45))
    _arrow(right, (0, 1.55), (0, 0.45))
    right.text(0.6, 4.0, "$p(z_2)$: costs $R_2$ nats", va="center", fontsize=11)
    right.text(0.6, 2.0, "$p(z_1|z_2)$: costs $R_1$", va="center", fontsize=11)
    right.text(0.6, 0.0, "$p(x|z_1)$: costs $D$", va="center", fontsize=11)
    return figure


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], bend: float = 0.0) -> None:
    axes.add_patch(
        FancyArrowPatch(start, end, connectionstyle=f"arc3,rad={bend}", arrowstyle="-|>", mutation_scale=14, color=INK)
    )


def _planes(surface: pd.DataFrame) -> Figure:
    figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for axes, column, title in zip(
        panels, ("psnr", "accuracy"), ("PSNR, dB", "accuracy of a classifier on $z_2$"), strict=True
    ):
        _equal_rates(axes, [50, 100, 150, 200])
        points = axes.scatter(
            surface["rate_1"],
            surface["rate_2"],
            c=surface[column],
            s=9,
            cmap="viridis",
            edgecolors="#808080",
            linewidths=0.3,
        )
        axes.set(xlim=(0, 210), ylim=(0, 110), xlabel="$R_1$, nats", ylabel="$R_2$, nats", title=title)
        axes.spines[["top", "right"]].set_visible(False)
        figure.colorbar(points, ax=axes)
    return figure


def _equal_rates(axes: Axes, totals: list[float]) -> None:
    for total in totals:
        axes.plot([0, total], [total, 0], color="#888888", linewidth=0.7, linestyle="--")


def _bound(surface: pd.DataFrame) -> Figure:
    figure, axes = pyplot.subplots(figsize=(5.4, 3.4), layout="constrained")
    rates = np.geomspace(0.01, 110, 200)
    axes.plot(rates, accuracy_bound(rates, math.log(_CLASSES), _CLASSES), color=INK, linewidth=1.4)
    axes.scatter(surface["rate_2"].clip(lower=0.01), surface["accuracy"], s=9, color="#3b82c4")
    axes.set(xscale="log", xlabel="$R_2$, nats", ylabel="accuracy", ylim=(0, 1.05))
    axes.text(0.32, 0.62, "no classifier\ngets here", fontsize=10, ha="center")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


if __name__ == "__main__":
    main()
