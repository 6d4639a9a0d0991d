"""The paper's pictures of one data set's models, as SVG in both themes: rates, scores, bounds, regions, coverage."""

__all__ = ["draw", "grid_of", "names"]

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from analysis import bounds
from analysis.figures.common import region_outline
from analysis.figures.style import CATEGORIES, EQUAL, MUTED
from analysis.frame import values
from analysis.recommendation.recommender import APPLICATIONS
from docs.findings_evidence import CELLS, Evidence
from docs.themed_svg import INK, style, write
from hit.metrics.bounds import accuracy_bound

_ACCURACY = "test/accuracy_svm_rbf_z2_sampled"
_TICKS = [0.1, 1, 10]


def names(dataset: str) -> tuple[str, str]:
    """File names of the two pictures of a data set: what β do, and what rates are good for."""
    return f"findings_{dataset}_rates.svg", f"findings_{dataset}_uses.svg"


def grid_of(cells: pd.DataFrame, metric: str) -> pd.DataFrame:
    """A metric over β_2 and β_1, without the rows and columns that few cells lie in, as those of a certificate do.

    Args:
        cells: of a surface; not empty.
        metric: name in the store.
    """
    betas = cells[["beta_1", "beta_2"]].astype(float).round(6)
    table = cells.assign(**betas, shown=values(cells, metric))
    table = table.pivot_table(index="beta_2", columns="beta_1", values="shown")
    known = table.notna()
    return table.loc[known.sum(axis=1) > known.shape[1] / 2, known.sum(axis=0) > known.shape[0] / 2]


def draw(found: Mapping[str, Evidence], folder: Path) -> None:
    """Draw and write the pictures of every data set that has a surface's cells."""
    with style():
        for dataset, own in found.items():
            if not own.cells.empty:
                for figure, name in zip((_rates(own), _uses(own)), names(dataset), strict=True):
                    write(figure, folder / name)


def _rates(own: Evidence) -> Figure:
    figure, panels = _sheet()
    for axes, layer in zip(panels[:2], (1, 2), strict=True):
        _over_betas(axes, own.cells, f"test/rate_{layer}", f"$R_{layer}$, nats")
    _coverage(panels[2], own)
    _coloured(panels[3], own.cells, "test/psnr", "PSNR, dB")
    return figure


def _uses(own: Evidence) -> Figure:
    figure, panels = _sheet()
    _coloured(panels[0], own.cells, _ACCURACY, "accuracy on samples of $z_2$")
    _bound(panels[1], own.cells)
    _coloured(panels[2], own.cells, "sample/inception_score", "inception score of samples")
    _regions(panels[3], own)
    return figure


def _sheet() -> tuple[Figure, list[Axes]]:
    figure, panels = pyplot.subplots(2, 2, figsize=(9, 7.2), layout="constrained")
    return figure, list(panels.flat)


def _over_betas(axes: Axes, cells: pd.DataFrame, metric: str, title: str) -> None:
    """A rate over the grid of β, on a logarithmic scale of colours."""
    table = grid_of(cells, metric).clip(lower=0.1)
    shades = axes.pcolormesh(
        np.arange(table.shape[1]), np.arange(table.shape[0]), table, norm=LogNorm(), cmap="viridis", rasterized=False
    )
    for axis, known in ((axes.xaxis, table.columns), (axes.yaxis, table.index)):
        near = [int(np.abs(np.log(known.to_numpy(float) / beta)).argmin()) for beta in _TICKS]
        axis.set_major_locator(FixedLocator(near))
        axis.set_ticklabels([f"{known[place]:.3g}" for place in near])
        axis.set_minor_locator(NullLocator())
    axes.set(title=title, xlabel=r"$\beta_1$", ylabel=r"$\beta_2$")
    axes.figure.colorbar(shades, ax=axes)


def _plane(axes: Axes, cells: pd.DataFrame) -> None:
    """Rate space with its lines of equal total rate."""
    reach = [float(values(cells, f"test/rate_{layer}").max()) * 1.05 for layer in (1, 2)]
    step = _round(sum(reach) / 5)
    for total in np.arange(step, sum(reach), step):
        axes.plot([0, total], [total, 0], color=MUTED, linewidth=0.6, linestyle="--", zorder=0)
    axes.set(xlim=(0, reach[0]), ylim=(0, reach[1]), xlabel="$R_1$, nats", ylabel="$R_2$, nats")
    axes.spines[["top", "right"]].set_visible(False)


def _round(number: float) -> float:
    """One of 1, 2, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(number))
    return max(one * power for one in (1, 2, 5) if one * power <= number)


def _coloured(axes: Axes, cells: pd.DataFrame, metric: str, title: str) -> None:
    """Models in rate space, coloured by a metric."""
    _plane(axes, cells)
    known = values(cells, metric).notna()
    axes.set_title(title if known.any() else f"{title}: not measured")
    if known.any():
        own = cells[known]
        rates = [values(own, f"test/rate_{layer}") for layer in (1, 2)]
        axes.figure.colorbar(axes.scatter(*rates, c=values(own, metric), s=16, cmap="viridis"), ax=axes)


def _coverage(axes: Axes, own: Evidence) -> None:
    """Where the cells of the grid lie, and dedicated models beside them, of the first seed alone."""
    _plane(axes, pd.concat([own.cells, own.dedicated]))
    cells, dedicated = (part[part["seed"] == own.cells["seed"].min()] for part in (own.cells, own.dedicated))
    rows = cells.assign(**cells[["beta_1", "beta_2"]].astype(float).round(6)).sort_values(["beta_1", "beta_2"])
    for name in ("beta_1", "beta_2"):
        counts = rows[name].value_counts()
        for beta in counts.index[counts > 2]:
            line = rows[rows[name] == beta]
            axes.plot(line["test/rate_1"], line["test/rate_2"], color=MUTED, linewidth=0.5)
    axes.scatter(rows["test/rate_1"], rows["test/rate_2"], s=7, color="#3b82c4", label="cells of the surface")
    for _, model in dedicated.iterrows():
        same = rows[np.isclose(rows["beta_1"], model["beta_1"]) & np.isclose(rows["beta_2"], model["beta_2"])]
        for _, cell in same.head(1).iterrows():
            ends = [[one[f"test/rate_{layer}"] for one in (cell, model)] for layer in (1, 2)]
            axes.plot(*ends, color=EQUAL, linewidth=0.8, linestyle=":")
    if len(dedicated):
        rates = [dedicated[f"test/rate_{layer}"] for layer in (1, 2)]
        axes.scatter(*rates, s=26, marker="D", facecolor="none", edgecolor=EQUAL, label="models for one β")
    axes.set_title("coverage of rate space")
    axes.legend(frameon=False, fontsize=8)


def _bound(axes: Axes, cells: pd.DataFrame) -> None:
    """Accuracies on samples against R_2, and the bound."""
    known = cells[values(cells, _ACCURACY).notna()]
    axes.set_title("accuracy on samples of $z_2$, and its bound")
    if known.empty:
        return
    least = max(1e-3, float(values(known, "test/rate_2").min()))
    count, entropy = bounds.classes(known, 2), float(values(known, "test/label_entropy").median())
    rates = np.geomspace(least, max(10 * least, float(values(known, "test/rate_2").max())), 200)
    bound = accuracy_bound(rates, min(entropy, math.log(count)), count)
    axes.plot(rates, bound, color=INK, linewidth=1.3, label="bound")
    axes.scatter(values(known, "test/rate_2").clip(lower=least), values(known, _ACCURACY), s=12, color="#3b82c4")
    axes.set(xscale="log", xlabel="$R_2$, nats", ylabel="accuracy", ylim=(0, 1.05))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)


def _regions(axes: Axes, own: Evidence) -> None:
    """The recommended region of each application; one that is a guess is dotted."""
    _plane(axes, own.cells)
    rates = [values(own.cells, f"test/rate_{layer}") for layer in (1, 2)]
    axes.scatter(*rates, s=4, color=MUTED)
    colors = {name: color for name, (color, _) in zip(APPLICATIONS.names(), CATEGORIES, strict=False)}
    for found in own.recommended[CELLS]:
        if not found.is_constant:
            name, sure = found.application.name, ":" if found.hedge else "-"
            corners = region_outline(found.region, (1, 2))
            axes.plot(*corners, color=colors.get(name, INK), linewidth=1.8, linestyle=sure, label=name)
    axes.set_title("recommended regions")
    axes.legend(frameon=False, fontsize=8)
