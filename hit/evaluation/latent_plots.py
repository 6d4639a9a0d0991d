"""Latents as points: the coordinates as CSV files, and a picture of them, coloured by label where there are some."""

__all__ = ["HERE", "LatentWork", "save_coordinates", "save_scatter"]

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from hit.evaluation.latents import MeasureLayer, measure_latents
from hit.metrics import Projection

_INCHES = 4.0
_FEW_CLASSES = 20  # have colours of their own and a legend


def save_coordinates(projection: Projection, labels: Tensor | None, path: Path) -> Path:
    """Write label and coordinates of every point, in the order of the test set; columns label, pc1, pc2, pc3.

    Without labels there is no such column.
    """
    columns = [projection.coordinates]
    head = [f"pc{component}" for component in range(1, projection.coordinates.shape[1] + 1)]
    formats = ["%.5g"] * projection.coordinates.shape[1]
    if labels is not None:
        columns = [labels.cpu().numpy()[:, None], *columns]
        head, formats = ["label", *head], ["%.7g" if labels.is_floating_point() else "%d", *formats]
    np.savetxt(path, np.concatenate(columns, axis=1), formats, delimiter=",", header=",".join(head), comments="")
    return path


def save_scatter(projections: Mapping[int, Projection], labels: Tensor | None, path: Path) -> Path:
    """Draw principal components against each other as PNG: a row a layer, the top one first, coloured by label.

    Axes tell the share of the variance. Points lie in an order that is random and always the same, so
    that no class covers the others. Continuous labels have a scale beside the picture; without labels all points are of
    one colour.
    """
    # Imported here: runs that measure nothing but rates need not wait. The figure is no pyplot figure,
    # which would be kept in a list for ever and look for a display.
    from matplotlib.figure import Figure

    count = len(next(iter(projections.values())).coordinates)
    order = np.random.RandomState(0).permutation(count)
    look, legend = _look(labels, order)
    figure = Figure((3 * _INCHES + 1, _INCHES * len(projections)), layout="constrained")
    panels = figure.subplots(len(projections), 3, squeeze=False)
    for row, layer in zip(panels, sorted(projections, reverse=True), strict=True):
        found = projections[layer]
        for panel, (across, up) in zip(row, itertools.combinations(range(3), 2), strict=True):
            if up >= found.coordinates.shape[1]:
                panel.set_axis_off()
                continue
            x, y = found.coordinates[order][:, [across, up]].T
            drawn = panel.scatter(x, y, s=max(1.0, min(12.0, 1e4 / count)), linewidths=0, **look)
            panel.set_xlabel(_axis(layer, across, found))
            panel.set_ylabel(_axis(layer, up, found))
    if legend:
        marks = [
            panels[0, 0].scatter([], [], color=[colour], s=30, linewidths=0, label=name)
            for name, colour in legend.items()
        ]
        figure.legend(handles=marks, title="label", loc="outside right center", frameon=False)
    elif "cmap" in look:
        figure.colorbar(drawn, ax=panels, label="label")
    figure.savefig(path, dpi=100)
    return path


def _look(labels: Tensor | None, order: NDArray[np.intp]) -> tuple[dict[str, Any], dict[str, tuple[float, ...]]]:
    """Colours of the points in this order, and what a legend says of them: a class's name → its colour."""
    if labels is None:
        return {"color": _colours(1)}, {}
    marks = labels.cpu().numpy()
    if labels.is_floating_point():
        return {"c": marks[order], "cmap": "viridis"}, {}
    names = np.unique(marks)
    colours = dict(zip(names.tolist(), _colours(len(names)), strict=True))
    few = {str(name): colour for name, colour in colours.items()} if len(names) <= _FEW_CLASSES else {}
    return {"c": np.array([colours[label] for label in marks[order].tolist()])}, few


def _axis(layer: int, component: int, projection: Projection) -> str:
    share = f" ({projection.shares[component]:.0%} of variance)" if projection.shares else " (no variance)"
    return f"$z_{{{layer}}}$, component {component + 1}{share}"


def _colours(count: int) -> list[tuple[float, ...]]:
    from matplotlib import colormaps

    if count <= _FEW_CLASSES:
        palette = colormaps["tab10" if count <= 10 else "tab20"]
        return [tuple(palette(index)) for index in range(count)]
    return [tuple(colour) for colour in colormaps["turbo"](np.linspace(0, 1, count))]


@dataclass(frozen=True)
class LatentWork:
    """Who does what takes long of latents and needs no device: this process (`HERE`), where nothing else is said.

    Attributes:
        measure: a layer.
        draw: as `save_scatter`.
    """

    measure: MeasureLayer = measure_latents
    draw: Callable[[Mapping[int, Projection], Tensor | None, Path], Path] = save_scatter


HERE = LatentWork()
