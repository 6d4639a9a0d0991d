"""Vectors of numbers from what users bring: what is accepted, and one line on what is not."""

__all__ = ["as_vectors", "check_labels_repeat", "check_size"]

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hit.data.labelled_images import by
from hit.errors import DataError, shown
from hit.processes.memory import memory_of


def as_vectors(name: str, array: NDArray[Any], columns: Sequence[str] = ()) -> Tensor:
    """An array of N×D real numbers as float32.

    Args:
        name: of the array, for errors.
        columns: names of the D columns, for errors; none: they are counted from 1.

    Raises:
        DataError: another shape, something else than real numbers, a number that is not finite, or one that float32
            has no room for; the message names its column and row.
    """
    if array.dtype.kind not in "fiub":
        raise DataError(f"{name} must hold real numbers, got {array.dtype}")
    if array.ndim != 2 or 0 in array.shape:
        raise DataError(f"{name} must have shape N×D with N and D of 1 or more, got {by(array.shape)}")
    with np.errstate(over="ignore"):
        vectors = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(vectors).all():
        wrong = ~np.isfinite(vectors)
        row, column = map(int, np.argwhere(wrong)[0])
        value = array[row, column]
        rule = "hold finite numbers" if not np.isfinite(value) else "hold numbers of at most 3.4e38"
        where = f"column {shown(columns[column])}" if columns else f"column {column + 1}"
        raise DataError(
            f"{name} must {rule}, got {value} in {where}, row {row + 1} ({wrong.sum()} of {wrong.size:,} numbers)"
        )
    return torch.from_numpy(vectors)


def check_labels_repeat(name: str, distinct: int, count: int) -> None:
    """Raise DataError where labels are of no use as classes, since no two of so many are the same."""
    if distinct == count and count > 1:
        raise DataError(f"{name} must hold classes, each of several examples, but its {count} labels are all different")


def check_size(what: str, size: int) -> None:
    """Raise DataError where so many bytes do not fit into the memory here."""
    memory = memory_of(torch.device("cpu"))
    if memory is not None and size > memory:
        raise DataError(f"{what} must fit into the {memory / 1e9:.3g} GB of memory here, got {size / 1e9:,.3g} GB")
