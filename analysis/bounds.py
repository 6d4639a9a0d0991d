"""What a rate allows: the information about the label in a latent, and the accuracy, or R², of who reads it."""

__all__ = ["accuracy_line", "chance", "classes", "information_bound", "information_line", "r_squared_line"]

import math
import re

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.earlier_runs import derived_classes
from analysis.frame import layers, rate_name, values
from hit.metrics.bounds import accuracy_bound, r_squared_bound

Array = NDArray[np.float64]

_OF_LATENT = re.compile(r"test/(accuracy_(?!bound)\w+|r2_(?!bound)\w+|mi)_z([1-9][0-9]*)(_sampled)?\Z")
#: The bound on R² is all but 1 from so many nats on.
_STEEP = 4.0


def information_bound(frame: pd.DataFrame, layer: int) -> pd.Series:
    """R_l + … + R_L of each run, which bounds what z_l knows of x, in nats per image."""
    total = sum(values(frame, rate_name(above)) for above in range(layer, layers(frame) + 1))
    return pd.Series(total, index=frame.index, dtype=float)


def accuracy_line(frame: pd.DataFrame, layer: int) -> tuple[Array, Array] | None:
    """Rates up to the last run's, and the bound on an accuracy at each; None without H(y).

    Returns:
        Rates in nats per image and accuracies in [1/M, 1], both of shape (points,).
    """
    line = information_line(frame, layer)
    if line is None:
        return None
    count = classes(frame, layer)
    return line[0], accuracy_bound(line[0], _entropy(frame, count), count)


def chance(frame: pd.DataFrame, metric: str) -> float | None:
    """What a latent without information reaches: the accuracy of betting, 0 nats, an R² of 0; None for others.

    Where H(y) is not known, neither is the accuracy.
    """
    match = _OF_LATENT.match(metric)
    if match is None or not match[1].startswith("accuracy"):
        return None if match is None else 0.0
    if values(frame, "test/label_entropy").isna().all():
        return None
    count = classes(frame, int(match[2]))
    return float(accuracy_bound(0.0, _entropy(frame, count), count))


def r_squared_line(frame: pd.DataFrame, layer: int) -> tuple[Array, Array] | None:
    """Rates up to the last run's, and the bound on R² at each; None where labels have none.

    Returns:
        Rates in nats per image and R², both of shape (points,).
    """
    entropy_power = values(frame, "test/label_entropy_power").median()
    if np.isnan(entropy_power):
        return None
    reached = information_bound(frame, layer)
    last = float(reached.max())
    first = 0.0 if reached.min() < _STEEP else float(reached.min())
    rates = np.unique(np.concatenate([np.linspace(first, max(first, min(_STEEP, last)), 120), [last]]))
    return rates, r_squared_bound(rates, float(entropy_power))


def information_line(frame: pd.DataFrame, layer: int) -> tuple[Array, Array] | None:
    """Rates up to the last run's, and min(R, H(y)) at each; None without H(y).

    Returns:
        Rates in nats per image and information in nats, both of shape (points,).
    """
    if values(frame, "test/label_entropy").isna().all():
        return None
    bend, reached = _entropy(frame), information_bound(frame, layer)
    last = float(reached.max())
    # Runs that are all far beyond the bend need not see it: the axes would be drawn for the line alone.
    first = 0.0 if reached.min() < 2 * bend else float(reached.min())
    # Dense where the bound bends: it reaches its end at R = H(y), often far left of the last run.
    rates = np.unique(np.concatenate([np.linspace(first, max(first, min(bend, last)), 120), [last]]))
    return rates, np.minimum(rates, bend)


def classes(frame: pd.DataFrame, layer: int) -> int:
    """Number of classes M of the data, which is one number for runs of one data set.

    Args:
        frame: runs of one data set.
        layer: whose bounds tell it where no run has logged it.
    """
    logged = values(frame, "classes").dropna()
    if len(logged):
        return int(logged.iloc[0])
    bounds = values(frame, f"test/accuracy_bound_rate_z{layer}")
    return derived_classes(_entropy(frame), information_bound(frame, layer), bounds)


def _entropy(frame: pd.DataFrame, count: int | None = None) -> float:
    """H(y), which is one number for runs of one data set; not above ln M, by which it may miss in its last digits."""
    entropy = float(values(frame, "test/label_entropy").median())
    return entropy if count is None else min(entropy, math.log(count))
