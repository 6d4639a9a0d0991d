"""What the name of a data set stands for, found without reading it: a wrong name is told before anything loads."""

__all__ = ["DATASETS", "DatasetForm", "dataset_form"]

import os
from enum import StrEnum
from pathlib import Path

from hit.config.paths import given_path
from hit.errors import DataError, nearest

#: The data sets known by name.
DATASETS = ("digits", "mnist", "binary_mnist", "fashion_mnist", "cifar10", "svhn", "imagenet")


class DatasetForm(StrEnum):
    """How a data set is kept."""

    NAMED = "named"
    FILE = "file"
    FOLDER = "folder"


def dataset_form(name: str, crop: int = 0) -> DatasetForm:
    """Whether a data set is one of `DATASETS`, an .npz file or a folder of images.

    Args:
        name: as of `hit.data.load`.
        crop: likewise.

    Raises:
        DataError: it is none of them, or nothing is there, or it cannot be cropped.
        ConfigError: a path that cannot be reached.

    >>> dataset_form("digits")
    <DatasetForm.NAMED: 'named'>
    """
    name = name.strip()
    if os.sep in name or name.startswith("~"):
        given_path("dataset", name)
    try:
        return _form(name, crop)
    except DataError as error:
        raise DataError(f"dataset {name!r}: {error}") from error


def _form(name: str, crop: int) -> DatasetForm:
    if crop < 0:
        raise DataError(f"crop must be 0 or more pixels, got {crop}")
    if name == "imagenet":
        return DatasetForm.NAMED
    path = Path(os.path.expanduser(name))
    is_file = path.suffix.lower() == ".npz"
    if name not in DATASETS and not is_file and name and os.path.isdir(path):
        # unlike Path.is_dir, os.path.isdir is False where permission is denied
        return DatasetForm.FOLDER
    if crop and (name in DATASETS or is_file):
        raise DataError(f"crop must be 0 but for imagenet and folders of images, got {crop}")
    if name in DATASETS:
        return DatasetForm.NAMED
    if is_file:
        if not os.path.exists(path):
            raise DataError("there is no such file")
        return DatasetForm.FILE
    if os.path.isfile(path):
        raise DataError("a file of data must end in .npz; images are given as a folder of images by class")
    if os.sep in name:
        raise DataError("there is no such file or folder")
    raise DataError(f"unknown{nearest(name.lower(), DATASETS)}; or the path of an .npz file or of a folder of images")
