"""Images, or vectors, and labels where there are some, from a user's .npz file."""

__all__ = ["read_npz"]

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hit.data.dataset import Split
from hit.data.error_text import reason
from hit.data.labelled_images import by
from hit.data.labels import is_like_labels, read_labels
from hit.data.splitting import split_in_two
from hit.data.vector_arrays import as_vectors, check_size
from hit.errors import DataError

_SPLIT, _SPLIT_LABELS = ("x_train", "x_test"), ("y_train", "y_test")
#: Of data in one piece.
_WHOLE = {"images": "labels", "x": "y"}
_FORMS = ((_SPLIT, _SPLIT_LABELS), *(((x,), (y,)) for x, y in _WHOLE.items()))
_EXAMPLES = (*_SPLIT, *_WHOLE)
_EXPECTED = (
    "x_train, y_train, x_test and y_test, or x and y, or images and labels (without labels: x_train and x_test, or x, "
    "or images)"
)

Array = NDArray[Any]


def read_npz(path: Path) -> tuple[Split, Split, int]:
    """Training split, test split and number of classes of an .npz file.

    It holds either `x_train`, `y_train`, `x_test`, `y_test` (Keras's names), in the order given, or
    `images` and `labels`, or `x` and `y`, which are split by `hit.data.splitting.split_indices`. Without labels it
    holds `x_train` and `x_test`, or `images`, or `x`. Other arrays are left alone, unless they are called like labels.
    Images are uint8, 0 to 255, of shape N×H×W, N×C×H×W or N×H×W×C: C is the end that is 1 or 3, else the smaller of
    the two; where both fit, N×C×H×W. Arrays of shape N×D are vectors: finite real numbers, which become float32.
    Labels are classes or continuous, as `hit.data.labels.read_labels` says. Pickled objects are never loaded.

    Raises:
        DataError: the file is missing, damaged or no .npz file; an array is missing, of the wrong type
            or shape, or pickled; images and labels are not as many; labels are neither classes nor continuous.
    """
    arrays = _read(path)
    examples = {key: _examples(key, array) for key, array in arrays.items() if key in _EXAMPLES}
    labels = read_labels({key: array for key, array in arrays.items() if key not in examples})
    for (x, seen), (y, marks) in zip(examples.items(), labels.parts.items(), strict=False):
        if len(seen) != len(marks):
            kind = "vectors" if seen.ndim == 2 else "images"
            raise DataError(f"{x} and {y} must be as many, got {len(seen)} {kind} and {len(marks)} labels")
    found = labels.parts.get
    for x, y in _WHOLE.items():
        if x in examples:
            return *split_in_two(examples[x], found(y)), labels.classes
    train, test = (Split(examples[x], found(y)) for x, y in zip(_SPLIT, _SPLIT_LABELS, strict=True))
    return train, test, labels.classes


def _read(path: Path) -> dict[str, Array]:
    try:
        with zipfile.ZipFile(path) as archive:  # np.load alone would take an .npy file by that name
            sizes = {member.filename.removesuffix(".npy"): member.file_size for member in archive.infolist()}
        with np.load(path, allow_pickle=False) as archive:
            keys = _keys(archive.files)
            check_size(" and ".join(keys), sum(sizes.get(key, 0) for key in keys))
            return {key: _member(archive, key) for key in keys}
    except FileNotFoundError:
        raise DataError("there is no such file") from None
    except (zipfile.BadZipFile, ValueError) as error:
        raise DataError(f"the file is not an .npz archive, or is cut short: {reason(error)}") from error
    except OSError as error:
        raise DataError(f"the file cannot be read: {reason(error)}") from error


def _keys(present: list[str]) -> tuple[str, ...]:
    for images, labels in _FORMS:
        if all(key in present for key in images + labels):
            return images + labels
    for images, labels in _FORMS:
        if any(key in present for key in images + labels):
            missing = [key for key in images + labels if key not in present]
            if missing != list(labels):
                raise DataError(f"the file must hold {_EXPECTED}, but lacks {', '.join(missing)}")
            if named := [key for key in present if key not in images and is_like_labels(key)]:
                raise DataError(
                    f"labels must be called {' and '.join(labels)} beside {' and '.join(images)}, or be left out, "
                    f"got {', '.join(named)}"
                )
            return images
    raise DataError(f"the file must hold {_EXPECTED}, got {', '.join(present) or 'no arrays'}")


def _member(archive: Any, key: str) -> Array:
    try:
        array: Array = archive[key]
    except (ValueError, EOFError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        if "pickle" in str(error):
            raise DataError(f"{key} holds pickled Python objects, which are never loaded; save numbers") from error
        raise DataError(f"{key} cannot be read: {reason(error)}") from error
    if not isinstance(array, np.ndarray):
        raise DataError(f"{key} must be an array in NumPy's format, got other bytes")
    return array


def _examples(key: str, array: Array) -> Tensor:
    """Images, or vectors where the shape is N×D."""
    if array.ndim == 2:
        return as_vectors(key, array)
    if array.ndim in (3, 4) and array.dtype != np.uint8:
        raise DataError(f"{key} must be uint8 with levels 0 to 255, got {array.dtype}")
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and _channels_last(*array.shape[1:]):
        array = array.transpose(0, 3, 1, 2)
    if array.ndim != 4:
        raise DataError(f"{key} must have shape N×H×W, N×C×H×W or N×H×W×C, or N×D of vectors, got {by(array.shape)}")
    return torch.from_numpy(np.ascontiguousarray(array))


def _channels_last(first: int, second: int, last: int) -> bool:
    usual = (1, 3)
    if first in usual or last in usual:
        return first not in usual
    return last < min(first, second)
