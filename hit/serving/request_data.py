"""The arrays of a request to a served model, as what the model is fed; one line on what does not fit."""

__all__ = ["IMAGES", "VECTORS", "columns_of", "floats_of", "images_of", "vectors_of"]

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from hit.data.labelled_images import by
from hit.errors import DataError, nearest, shown

#: What examples are called in requests and answers.
IMAGES, VECTORS = "images", "vectors"


def images_of(images: Any, shape: tuple[int, ...]) -> np.ndarray:
    """uint8 images, N×C×H×W.

    Args:
        images: whole numbers are levels from 0 to 255, others are in [0, 1]; grey ones may leave out C.
        shape: (C, H, W).

    Raises:
        DataError: another shape, or values out of range.
    """
    array = _numbers(IMAGES, images)
    if shape[0] == 1 and array.ndim == 3:
        array = array[:, None]
    _check_shape(IMAGES, array, shape)
    low, high = array.min(), array.max()
    if np.issubdtype(array.dtype, np.floating) or array.dtype == bool:
        if low < 0 or high > 1:
            raise DataError(
                f"{IMAGES} that are not whole numbers must be in [0, 1], got values from {low:g} to {high:g}"
            )
        array = np.rint(array.astype(np.float64) * 255)
    elif low < 0 or high > 255 or high == 1:
        # Black and white as 0 and 1 would pass for two levels that no eye can tell apart.
        hint = ": write 1.0 for images in [0, 1]" if high == 1 else ""
        raise DataError(f"{IMAGES} of whole numbers must be levels from 0 to 255, got {low} to {high}{hint}")
    return array.astype(np.uint8)


def vectors_of(vectors: Any, shape: tuple[int, ...]) -> np.ndarray:
    """float32 vectors, N×D, in the units of the data.

    Raises:
        DataError: another shape, or values that are not finite.
    """
    return floats_of(VECTORS, vectors, shape)


def floats_of(name: str, values: Any, shape: tuple[int, ...]) -> np.ndarray:
    """float32 numbers, N × a shape.

    Raises:
        DataError: another shape, or values that are not finite.
    """
    array = _numbers(name, values)
    _check_shape(name, array, shape)
    with np.errstate(over="ignore"):
        small = array.astype(np.float32)
    if not np.isfinite(small).all():
        raise DataError(f"{name} must be numbers of at most 3.4e38, got {np.abs(array).max():g}")
    return small


def columns_of(table: pd.DataFrame, features: Sequence[str]) -> np.ndarray:
    """The features of a table, in the order of the training data; where no names are known, all its columns.

    Raises:
        DataError: a column is missing.
    """
    if missing := [name for name in features if name not in table.columns]:
        hint = nearest(missing[0], list(map(str, table.columns)))
        raise DataError(
            f"a table must have a column for each of {len(features)} features, lacks {shown(missing[0])}{hint}"
        )
    return (table[list(features)] if features else table).to_numpy()


def _check_shape(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.shape[1:] != shape or array.ndim == 0 or not len(array):
        got = "×".join(map(str, array.shape)) or "a single number"
        raise DataError(f"{name} must be of shape N×{by(shape)}, got {got}")


def _numbers(name: str, values: Any) -> np.ndarray:
    try:
        array = np.asarray(values)
    except ValueError:
        raise DataError(f"{name} must be all of one shape, got rows of different lengths") from None
    if array.dtype == object or not (np.issubdtype(array.dtype, np.number) or array.dtype == bool):
        raise DataError(f"{name} must be numbers, all of one shape, got {array.dtype}")
    if np.iscomplexobj(array) or not np.isfinite(array).all():
        raise DataError(f"{name} must be finite real numbers")
    return array
