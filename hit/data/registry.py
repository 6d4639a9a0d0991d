"""From a name to a data set: the named ones, an .npz file, or a folder of images by class."""

__all__ = ["NAMES", "load"]

import os
from pathlib import Path

import torch

from hit.data.arrays import read_npz
from hit.data.dataset import Dataset, Split
from hit.data.digits import read_digits
from hit.data.download import DataRoot, ensure
from hit.data.folder import read_folder
from hit.data.sources import SOURCES
from hit.errors import DataError, nearest

#: The data sets known by name.
NAMES = ("digits", "mnist", "binary_mnist", "fashion_mnist", "cifar10", "svhn")


def load(name: str, root: str = "") -> Dataset:
    """The data set called `name`, on the CPU.

    Args:
        name: one of `NAMES`; or the path of an `.npz` file (`hit.data.arrays.read_npz` says what it
            holds); or the path of a folder of images by class (`hit.data.folder.read_folder`). A folder
            that is called like a data set is reached as `./mnist`.
        root: where torchvision's data sets lie, and are downloaded to where they are missing; empty:
            the environment variable HIT_DATA, else `./data`. `digits` and paths need no root.

    Raises:
        DataError: one line on a data set that is unknown, missing, damaged or of the wrong shape.

    >>> load("digits").image_shape
    (1, 28, 28)
    """
    name = name.strip()
    try:
        return _load(name, root)
    except DataError as error:
        raise DataError(f"dataset {name!r}: {error}") from error


def _load(name: str, root: str) -> Dataset:
    if name == "digits":
        return Dataset(name, *read_digits(), classes=10)
    if name in NAMES:
        source = SOURCES[name.removeprefix("binary_")]
        data_root = DataRoot.find(root)
        ensure(source, data_root)
        train, test = source.read(data_root.path)
        if name == "binary_mnist":
            train, test = _binarise(train), _binarise(test)
        return Dataset(name, train, test, classes=10)
    path = Path(os.path.expanduser(name))
    if path.suffix.lower() == ".npz":
        train, test, classes = read_npz(path)
        return Dataset(name, train, test, classes)
    if name and os.path.isdir(path):  # unlike Path.is_dir, False where permission is denied
        train, test, classes = read_folder(path)
        return Dataset(name, train, test, classes)
    if os.path.isfile(path):
        raise DataError("a file of data must end in .npz; images are given as a folder of images by class")
    if os.sep in name:
        raise DataError("there is no such file or folder")
    raise DataError(f"unknown{nearest(name.lower(), NAMES)}; or the path of an .npz file or of a folder of images")


def _binarise(split: Split) -> Split:
    """round(x / 255), as levels 0 and 255."""
    return Split(split.images.ge(128).to(torch.uint8).mul_(255), split.labels)
