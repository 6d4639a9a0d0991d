"""Reconstruction of vectors by feature: a table as a CSV file, and a picture of R²."""

__all__ = ["save_feature_bars", "save_feature_table", "save_features"]

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hit.distributions import Likelihood, VectorLikelihood
from hit.metrics.feature_errors import FeatureErrors

#: The picture shows so many features, those that come back worst.
_SHOWN = 40
_LONGEST_NAME = 32


def save_features(errors: FeatureErrors, names: Sequence[str], likelihood: Likelihood, folder: Path) -> list[Path]:
    """Table and picture of a model of vectors, as `reconstruction.csv` and `.png` in a folder."""
    assert isinstance(likelihood, VectorLikelihood)
    return [
        save_feature_table(errors, names, likelihood, folder / "reconstruction.csv"),
        save_feature_bars(errors, names, folder / "reconstruction.png"),
    ]


def save_feature_table(errors: FeatureErrors, names: Sequence[str], likelihood: VectorLikelihood, path: Path) -> Path:
    """Write a row a feature: its name, mean and standard deviation by which it was standardised, error and R².

    Errors are mean squares in units of the standardised feature; R² is empty where the test set's feature is the same
    everywhere.
    """
    location, scale = likelihood.location.tolist(), likelihood.scale.tolist()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["feature", "location", "scale", "mse", "r2"])
        for row in zip(_named(names, len(errors.mse)), location, scale, errors.mse, errors.r2, strict=True):
            name, *numbers = row
            writer.writerow([name, *("" if np.isnan(number) else f"{number:.6g}" for number in numbers)])
    return path


def save_feature_bars(errors: FeatureErrors, names: Sequence[str], path: Path) -> Path:
    """Draw R² of the features as PNG, the worst at the bottom; of more than 40, those that come back worst."""
    # Imported here: runs that measure nothing of the kind need not wait. The figure is no pyplot figure.
    from matplotlib.figure import Figure

    r2 = errors.r2
    order = [int(index) for index in np.argsort(r2, kind="stable") if not np.isnan(r2[index])][:_SHOWN]
    shown = [_named(names, len(r2))[index][:_LONGEST_NAME] for index in order]
    figure = Figure((6.4, 1.2 + 0.22 * max(len(order), 1)), layout="constrained")
    axes = figure.subplots()
    axes.barh(range(len(order)), r2[order])
    axes.set_yticks(range(len(order)), [name.replace("$", r"\$") for name in shown], fontsize=8)
    axes.set_xlim(min(0.0, *r2[order].tolist(), 0.0), 1.0)
    left_out = "" if len(order) == len(r2) else f", {len(order)} of {len(r2)} features"
    axes.set_xlabel(f"R² of reconstructions from posterior means{left_out}")
    figure.savefig(path, dpi=100)
    return path


def _named(names: Sequence[str], count: int) -> Sequence[str]:
    return names or [f"x_{number}" for number in range(1, count + 1)]
