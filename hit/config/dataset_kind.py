"""What the name of a data set stands for, found without reading it: a wrong name is told before anything loads."""

__all__ = ["DatasetKind", "dataset_kind"]

import os
from enum import StrEnum
from pathlib import Path

from hit.config.parts import DATASETS
from hit.config.paths import given_path
from hit.errors import DataError, nearest, shown

_ARCHIVE, _TABLES = ".npz", (".csv", ".parquet")


class DatasetKind(StrEnum):
    """How a data set is kept."""

    NAMED = "named"
    ARCHIVE = "archive"
    TABLE = "table"
    FOLDER = "folder"


def dataset_kind(name: str, crop: int = 0, label: str = "") -> DatasetKind:
    """Whether a data set is registered (`hit.config.parts.DATASETS`), an .npz file, a table or a folder of images.

    Args:
        name: as of `hit.data.load`.
        crop, label: likewise.

    Raises:
        DataError: it is none of them, or nothing is there, or it has no crops, or no column of labels to be named.
        ConfigError: a path that cannot be reached.

    >>> dataset_kind("digits")
    <DatasetKind.NAMED: 'named'>
    """
    name = name.strip()
    if os.sep in name or name.startswith("~"):
        given_path("dataset", name)
    try:
        kind = _kind(name)
        _check_options(name, kind, crop, label)
        if kind in (DatasetKind.ARCHIVE, DatasetKind.TABLE) and not os.path.exists(os.path.expanduser(name)):
            raise DataError("there is no such file")
    except DataError as error:
        raise DataError(f"dataset {name!r}: {error}") from error
    return kind


def _kind(name: str) -> DatasetKind:
    if name in DATASETS:
        return DatasetKind.NAMED
    path = Path(os.path.expanduser(name))
    suffix = path.suffix.lower()
    if suffix != _ARCHIVE and name and os.path.isdir(path):
        # unlike Path.is_dir, os.path.isdir is False where permission is denied
        return DatasetKind.FOLDER
    if suffix == _ARCHIVE:
        return DatasetKind.ARCHIVE
    if suffix in _TABLES:
        return DatasetKind.TABLE
    if os.path.isfile(path):
        raise DataError("a file of data must end in .npz, .csv or .parquet; images are given as a folder")
    if os.sep in name:
        raise DataError("there is no such file or folder")
    raise DataError(
        f"unknown{nearest(name.lower(), DATASETS.names())}; or the path of an .npz, .csv or .parquet file, or of a "
        "folder of images"
    )


def _check_options(name: str, kind: DatasetKind, crop: int, label: str) -> None:
    if crop < 0:
        raise DataError(f"crop must be 0 or more pixels, got {crop}")
    if crop and kind is not DatasetKind.FOLDER and not (kind is DatasetKind.NAMED and DATASETS.get(name).crops):
        raise DataError(f"crop must be 0 but for imagenet and folders of images, got {crop}")
    if label and kind is not DatasetKind.TABLE:
        raise DataError(f"label must be empty but for CSV and Parquet files, got {shown(label)}")
