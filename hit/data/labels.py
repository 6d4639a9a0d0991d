"""What the labels of a user's file are: classes, or continuous numbers, by one rule."""

__all__ = ["FEW_WHOLE_NUMBERS", "Labels", "is_like_labels", "read_labels"]

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hit.data.labelled_images import by
from hit.errors import DataError

_LOG = logging.getLogger(__name__)

#: Floats that are whole numbers of 0 or more, with so many distinct values at most, are classes.
FEW_WHOLE_NUMBERS = 20

#: Names that labels have by all custom: who uses one did not mean to have none.
_LIKE_LABELS = re.compile(r"(y|labels?|targets?|class|classes)([_ ]?(train|test|val|valid)\w*)?\Z", re.IGNORECASE)

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Labels:
    """The labels of a file, part by part.

    Attributes:
        parts: name → N labels: int64, classes 0 to M−1, or float32, continuous. None at all: no labels.
        classes: M; 0 where there are no classes.
    """

    parts: dict[str, Tensor] = field(default_factory=dict)
    classes: int = 0


def is_like_labels(name: str) -> bool:
    """Whether an array or a column is called as labels are.

    >>> is_like_labels("Target"), is_like_labels("y_val"), is_like_labels("year")
    (True, True, False)
    """
    return _LIKE_LABELS.match(name.strip()) is not None


def read_labels(arrays: Mapping[str, Array]) -> Labels:
    """Labels from the arrays of a file, the training part first.

    Integers are classes: their distinct values, in order, become 0 … M−1. Floats are continuous labels, unless all
    parts hold whole numbers of 0 or more with at most `FEW_WHOLE_NUMBERS` distinct values, as many programs save
    classes: these are classes, and a line says so. Who has integers that are no classes saves them as floats; who
    has a few whole numbers that are no classes scales them, so that they are not whole.

    Args:
        arrays: name → integers or floats, of shape N or N×1; a second part holds classes of the first alone.

    Raises:
        DataError: another type or shape, a number that is not finite, a class below 0 (by custom it marks what is
            unlabelled) or only in the second part, or classes of which no two images have the same.

    >>> read_labels({"y": np.array([3.0, 7.0, 7.0])}).parts["y"].tolist()
    [0, 1, 1]
    >>> read_labels({"y": np.array([0.3, 0.7, 0.7])}).parts["y"].dtype
    torch.float32
    """
    if not arrays:
        return Labels()
    flat = {name: _flat(name, array) for name, array in arrays.items()}
    if all(array.dtype.kind in "iu" for array in flat.values()):
        return _classes(flat)
    if _few_whole_numbers(flat):
        count = len(np.unique(np.concatenate(list(flat.values()))))
        _LOG.warning(
            "%s: floats that are whole numbers, %d distinct ones, are read as classes (at most %d are; scale them to "
            "have them read as continuous labels)",
            " and ".join(flat),
            count,
            FEW_WHOLE_NUMBERS,
        )
        return _classes(flat)
    return Labels({name: torch.from_numpy(array.astype(np.float32)) for name, array in flat.items()})


def _flat(name: str, array: Array) -> Array:
    if array.dtype.kind not in "iuf":
        raise DataError(f"{name} must be integers (classes) or floats (continuous labels), got {array.dtype}")
    if array.ndim == 2 and array.shape[1] == 1:  # Keras's CIFAR-10
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"{name} must have shape N, one label an image, got {by(array.shape)}")
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            wrong = ~np.isfinite(array.astype(np.float32))
        if wrong.any():
            value = array[wrong][0]
            raise DataError(f"{name} must be finite numbers of 32 bits, got {value:g} ({int(wrong.sum())} are not)")
    return array


def _few_whole_numbers(flat: Mapping[str, Array]) -> bool:
    together = np.concatenate([array.astype(np.float64) for array in flat.values()])
    values = np.unique(together)
    whole = bool((values == np.round(values)).all() and (values >= 0).all())
    return whole and len(values) <= FEW_WHOLE_NUMBERS and len(values) < len(together)


def _classes(flat: Mapping[str, Array]) -> Labels:
    whole = {name: array.astype(np.int64) for name, array in flat.items()}
    for name, array in whole.items():
        if (array < 0).any():
            raise DataError(
                f"{name} must be 0 or more, got {array.min()} ({int((array < 0).sum())} labels are negative)"
            )
    (first, taught), *others = whole.items()
    for name, array in others:
        untaught = np.setdiff1d(array, taught)
        if len(untaught):
            more = f" and {len(untaught) - 1} more" if len(untaught) > 1 else ""
            raise DataError(f"{name} must hold labels that {first} holds, got {untaught[0]}{more}")
    values = np.unique(np.concatenate(list(whole.values())))
    if len(values) == len(taught) > 2:
        raise DataError(
            f"{first} must hold classes, some of several examples, got {len(taught)} integers that are all different "
            "(save continuous labels as floats)"
        )
    parts = {name: torch.from_numpy(np.searchsorted(values, array)) for name, array in whole.items()}
    return Labels(parts, len(values))
