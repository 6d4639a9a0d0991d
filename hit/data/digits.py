"""The embedded data set: scikit-learn's 1,797 handwritten digits of 8×8 pixels, brought to 28×28."""

__all__ = ["read_digits"]

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hit.data.dataset import Split
from hit.data.splitting import split_in_two

_SIZE, _OUT, _LEVELS = 8, 28, 16


def read_digits() -> tuple[Split, Split]:
    """1,437 training and 360 test images, 1×28×28.

    UCI's optical recognition of handwritten digits, https://doi.org/10.24432/C50P49, as it ships
    with scikit-learn: no download.
    """
    table = _table()
    pixels, labels = table[:, :-1].reshape(-1, _SIZE, _SIZE), table[:, -1]
    return split_in_two(torch.from_numpy(_enlarge(pixels))[:, None], torch.from_numpy(labels))


def _table() -> NDArray[np.int64]:
    """64 pixels and the label of each digit, from scikit-learn's own file: to import scikit-learn takes a second."""
    found = find_spec("sklearn")
    for folder in (found.submodule_search_locations or ()) if found is not None else ():
        path = Path(folder, "datasets", "data", "digits.csv.gz")
        if path.is_file():
            return np.loadtxt(path, dtype=np.int64, delimiter=",")
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return np.column_stack([pixels, labels]).astype(np.int64)


def _enlarge(pixels: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Bilinear interpolation from 8×8 levels 0…16 to 28×28 levels 0…255, rounded.

    Pixel i of 28 has its centre at (i + 1/2) 8/28 − 1/2 = (4i − 5)/14 of the pixels of 8. All weights
    are thus fourteenths, and integers give the same images, hence the same digest, on every machine;
    torch's interpolation may differ by a level where the last bit of a float decides.
    """
    steps = 14
    centres = np.clip(4 * np.arange(_OUT) - 5, 0, steps * (_SIZE - 1))
    weights = np.maximum(0, steps - np.abs(centres[:, None] - steps * np.arange(_SIZE)))
    scaled = weights @ pixels @ weights.T * 255
    whole = _LEVELS * steps**2
    levels: NDArray[np.uint8] = ((scaled + whole // 2) // whole).astype(np.uint8)
    return levels
