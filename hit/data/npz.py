"""Images, and labels where there are some, from a user's .npz file."""

__all__ = ["read_npz"]

import re
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
from hit.data.labels import read_labels
from hit.data.splitting import split_in_two
from hit.errors import DataError

_SPLIT, _SPLIT_LABELS = ("x_train", "x_test"), ("y_train", "y_test")
_WHOLE, _WHOLE_LABELS = ("images",), ("labels",)
_FORMS = ((_SPLIT, _SPLIT_LABELS), (_WHOLE, _WHOLE_LABELS))
_EXPECTED = "x_train, y_train, x_test and y_test, or images and labels (without labels: x_train and x_test, or images)"
#: Names of arrays that are labels by all custom: who has them did not mean to have none.
_LIKE_LABELS = re.compile(r"(y|labels?|targets?|classes)([_ ]?(train|test|val|valid)\w*)?\Z", re.IGNORECASE)

Array = NDArray[Any]


def read_npz(path: Path) -> tuple[Split, Split, int]:
    """Training split, test split and number of classes of an .npz file.

    It holds either `x_train`, `y_train`, `x_test`, `y_test` (Keras's names), in the order given, or
    `images` and `labels`, which are split by `hit.data.splitting.split_indices`. Without labels it holds
    `x_train` and `x_test`, or `images`. Other arrays are left alone, unless they are called like labels. Images are
    uint8, 0 to 255, of shape N×H×W, N×C×H×W or N×H×W×C (C = 1 or 3; where both fit, N×C×H×W). Labels are classes or
    continuous, as `hit.data.labels.read_labels` says. Pickled objects are never loaded.

    Raises:
        DataError: the file is missing, damaged or no .npz file; an array is missing, of the wrong type
            or shape, or pickled; images and labels are not as many; labels are neither classes nor continuous.
    """
    arrays = _read(path)
    images = {key: _images(key, array) for key, array in arrays.items() if key in _SPLIT + _WHOLE}
    marks = {key: array for key, array in arrays.items() if key not in images}
    labels = read_labels(marks)
    for (x, pictures), (y, those) in zip(images.items(), labels.parts.items(), strict=False):
        if len(pictures) != len(those):
            raise DataError(f"{x} and {y} must be as many, got {len(pictures)} images and {len(those)} labels")
    found = labels.parts.get
    if "images" in images:
        return *split_in_two(images["images"], found("labels")), labels.classes
    train, test = (Split(images[x], found(y)) for x, y in zip(_SPLIT, _SPLIT_LABELS, strict=True))
    return train, test, labels.classes


def _read(path: Path) -> dict[str, Array]:
    try:
        with zipfile.ZipFile(path) as archive:  # np.load alone would take an .npy file by that name
            archive.infolist()
        with np.load(path, allow_pickle=False) as archive:
            return {key: _member(archive, key) for key in _keys(archive.files)}
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
            if named := [key for key in present if key not in images and _LIKE_LABELS.match(key)]:
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


def _images(key: str, array: Array) -> Tensor:
    if array.dtype != np.uint8:
        raise DataError(f"{key} must be uint8 with levels 0 to 255, got {array.dtype}")
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[1] not in (1, 3) and array.shape[3] in (1, 3):
        array = array.transpose(0, 3, 1, 2)
    if array.ndim != 4 or array.shape[1] not in (1, 3):
        raise DataError(f"{key} must have shape N×H×W, N×C×H×W or N×H×W×C with C = 1 or 3, got {by(array.shape)}")
    return torch.from_numpy(np.ascontiguousarray(array))
