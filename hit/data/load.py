"""From a name to a data set: the named ones, an .npz file, a table, or a folder of images."""

__all__ = ["NAMES", "load"]

import os
from dataclasses import replace
from pathlib import Path

import torch

from hit.config.dataset_kind import DatasetKind, dataset_kind
from hit.config.parts import DATASETS
from hit.data.dataset import Dataset, Split
from hit.data.folders.folder import read_folder
from hit.data.named import DataRequest
from hit.data.npz import read_npz
from hit.data.tables import read_table
from hit.dataset_files import DataRoot
from hit.errors import DataError, shown
from hit.schema import LabelKind

#: Our data sets that are known by name; `hit.config.parts.DATASETS` has those of extensions, too.
NAMES = tuple(part.name for part in DATASETS if DATASETS.source(part.name) is None)


def load(name: str, root: str = "", crop: int = 0, workers: int | None = None, *, label: str = "") -> Dataset:
    """The data set called `name`, on the CPU.

    Args:
        name: one that is registered (`hit.config.parts.DATASETS`); or the path of an `.npz` file
            (`hit.data.npz.read_npz` says what it holds), of a CSV or Parquet file (`hit.data.tables.read_table`),
            or of a folder of images (`hit.data.folders.folder.read_folder`). A folder that is called like a
            data set is reached as `./mnist`.
        root: where torchvision's data sets lie, and are downloaded to where they are missing; empty:
            the environment variable HIT_DATA, else `./data`. `digits` and paths need no root. ImageNet is
            not downloaded: it is `<root>/imagenet`, as `torchvision.datasets.ImageNet` unpacks it.
        crop: of folders and ImageNet: stream the images, as crops of crop×crop pixels; 0: images that all have one
            size of at most 256 pixels keep it, others are streamed as crops of 256.
        workers: processes that read streamed images; None: as many as suit the machine, 0: this one reads.

        label: of CSV and Parquet files: the column that holds the labels; empty: the one called label or y.

    Raises:
        DataError: one line on a data set that is unknown, missing, damaged or of the wrong shape.
        ConfigError: a path that cannot be reached.

    >>> load("digits").image_shape
    (1, 28, 28)
    """
    name = name.strip()
    DataRoot.find(root)  # one that cannot be reached is a mistake, whether it is needed or not
    kind = dataset_kind(name, crop, label)
    try:
        return _load(name, kind, root, crop, workers, label)
    except DataError as error:
        raise DataError(f"dataset {name!r}: {error}") from error


def _load(name: str, kind: DatasetKind, root: str, crop: int, workers: int | None, label: str) -> Dataset:
    path = Path(os.path.expanduser(name))
    match kind:
        case DatasetKind.FOLDER:
            return _checked(Dataset(name, *read_folder(path, crop, workers)))
        case DatasetKind.ARCHIVE:
            return _checked(Dataset(name, *read_npz(path)))
        case DatasetKind.TABLE:
            return _checked(Dataset(name, *read_table(path, label)))
    part = DATASETS.get(name)
    dataset = part(DataRequest(name, DataRoot.find(root), crop, workers))
    if not isinstance(dataset, Dataset):
        raise DataError(f"it must be read as a Dataset, got {shown(dataset)}")
    return dataset if name in NAMES and not part.crops else _checked(replace(dataset, name=name))


def _checked(dataset: Dataset) -> Dataset:
    """A user's data, of which nothing is known, unless they teach nothing."""
    if dataset.label_kind is LabelKind.CLASSES and dataset.train.labels is not None and dataset.test.labels is not None:
        taught, asked = dataset.train.labels.unique(), dataset.test.labels.unique()
        for label in asked[~torch.isin(asked, taught)].tolist():
            raise DataError(
                f"every class of the test images must have training images, too, and class {label} of "
                f"0…{dataset.classes - 1} has none; a class that is to be split needs two images or more"
            )
    if isinstance(dataset.train, Split) and len(dataset.shape) == 3:
        low, high = (int(bound) for bound in torch.aminmax(dataset.train.images))
        if low == high:
            raise DataError(f"training images must differ, but every pixel of all of them is {low}")
    return dataset
