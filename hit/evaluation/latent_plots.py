"""Latents as points: the coordinates as CSV files, and a picture of them coloured by label."""

__all__ = ["save_coordinates", "save_scatter"]

import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from hit.metrics import Projection

_INCHES = 4.0
_FEW_CLASSES = 20  # have colours of their own and a legend


def save_coordinates(projection: Projection, labels: Tensor, path: Path) -> Path:
    """Write label and coordinates of every point, in the order of the test set; columns label, pc1, pc2, pc3."""
    columns = [labels.cpu().numpy()[:, None], projection.coordinates]
    head = ["label", *(f"pc{component}" for component in range(1, projection.coordinates.shape[1] + 1))]
    formats = ["%d", *["%.5g"] * projection.coordinates.shape[1]]
    np.savetxt(path, np.concatenate(columns, axis=1), formats, delimiter=",", header=",".join(head), comments="")
    return path


def save_scatter(projections: Mapping[int, Projection], labels: Tensor, path: Path) -> Path:
    """Draw principal components against each other as PNG: a row a layer, the top one first, coloured by label.

    Axes tell the share of the variance. Points lie in an order that is random and always the same, so
    that no class covers the others.
    """
    # Imported here: runs that measure nothing but rates need not wait. The figure is no pyplot figure,
    # which would be kept in a list for ever and look for a display.
    from matplotlib.figure import Figure

    classes = labels.cpu().numpy()
    names = np.unique(classes)
    order = np.random.RandomState(0).permutation(len(classes))
    colours = dict(zip(names.tolist(), _colours(len(names)), strict=True))
    points = np.array([colours[label] for label in classes[order].tolist()])
    figure = Figure((3 * _INCHES + 1, _INCHES * len(projections)), layout="constrained")
    panels = figure.subplots(len(projections), 3, squeeze=False)
    for row, layer in zip(panels, sorted(projections, reverse=True), strict=True):
        found = projections[layer]
        for panel, (across, up) in zip(row, itertools.combinations(range(3), 2), strict=True):
            if up >= found.coordinates.shape[1]:
                panel.set_axis_off()
                continue
            x, y = found.coordinates[order][:, [across, up]].T
            panel.scatter(x, y, c=points, s=max(1.0, min(12.0, 1e4 / len(classes))), linewidths=0)
            panel.set_xlabel(_axis(layer, across, found))
            panel.set_ylabel(_axis(layer, up, found))
    if len(names) <= _FEW_CLASSES:
        marks = [
            panels[0, 0].scatter([], [], color=[colour], s=30, linewidths=0, label=str(name))
            for name, colour in colours.items()
        ]
        figure.legend(handles=marks, title="label", loc="outside right center", frameon=False)
    figure.savefig(path, dpi=100)
    return path


def _axis(layer: int, component: int, projection: Projection) -> str:
    share = f" ({projection.shares[component]:.0%} of variance)" if projection.shares else " (no variance)"
    return f"$z_{{{layer}}}$, component {component + 1}{share}"


def _colours(count: int) -> list[tuple[float, ...]]:
    from matplotlib import colormaps

    if count <= _FEW_CLASSES:
        palette = colormaps["tab10" if count <= 10 else "tab20"]
        return [tuple(palette(index)) for index in range(count)]
    return [tuple(colour) for colour in colormaps["turbo"](np.linspace(0, 1, count))]
