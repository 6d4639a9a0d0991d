"""From a name to a data set: the named ones, an .npz file, or a folder of images by class."""

__all__ = ["NAMES", "load"]

import os
from pathlib import Path

import torch

from hit.config.dataset_form import DATASETS, DatasetForm, dataset_form
from hit.data.dataset import Dataset, Split
from hit.data.digits import read_digits
from hit.data.folders.folder import CROP, read_folder
from hit.data.npz import read_npz
from hit.data.torchvision_sets.download import DataRoot, ensure
from hit.data.torchvision_sets.sources import SOURCES
from hit.errors import DataError

#: The data sets known by name.
NAMES = DATASETS

_IMAGENET_FILES = ("train", "val")


def load(name: str, root: str = "", crop: int = 0, workers: int | None = None) -> Dataset:
    """The data set called `name`, on the CPU.

    Args:
        name: one of `NAMES`; or the path of an `.npz` file (`hit.data.npz.read_npz` says what it
            holds); or the path of a folder of images by class (`hit.data.folders.folder.read_folder`). A folder
            that is called like a data set is reached as `./mnist`.
        root: where torchvision's data sets lie, and are downloaded to where they are missing; empty:
            the environment variable HIT_DATA, else `./data`. `digits` and paths need no root. ImageNet is
            not downloaded: it is `<root>/imagenet`, as `torchvision.datasets.ImageNet` unpacks it.
        crop: of folders and ImageNet: stream the images, as crops of crop×crop pixels; 0: folders of small
            images are held in memory as they are, others are streamed as crops of 256.
        workers: processes that read streamed images; None: as many as suit the machine, 0: this one reads.

    Raises:
        DataError: one line on a data set that is unknown, missing, damaged or of the wrong shape.
        ConfigError: a path that cannot be reached.

    >>> load("digits").image_shape
    (1, 28, 28)
    """
    name = name.strip()
    DataRoot.find(root)  # one that cannot be reached is a mistake, whether it is needed or not
    form = dataset_form(name, crop)
    try:
        return _load(name, form, root, crop, workers)
    except DataError as error:
        raise DataError(f"dataset {name!r}: {error}") from error


def _load(name: str, form: DatasetForm, root: str, crop: int, workers: int | None) -> Dataset:
    if name == "imagenet":
        train, test, classes = read_folder(_imagenet(DataRoot.find(root)), crop or CROP, workers)
        return _checked(Dataset(name, train, test, classes))
    path = Path(os.path.expanduser(name))
    if form is DatasetForm.FOLDER:
        train, test, classes = read_folder(path, crop, workers)
        return _checked(Dataset(name, train, test, classes))
    if form is DatasetForm.FILE:
        return _checked(Dataset(name, *read_npz(path)))
    if name == "digits":
        return Dataset(name, *read_digits(), classes=10)
    source = SOURCES[name.removeprefix("binary_")]
    data_root = DataRoot.find(root)
    ensure(source, data_root)
    kept = source.read(data_root.path)
    if name == "binary_mnist":
        kept = (_binarise(kept[0]), _binarise(kept[1]))
    return Dataset(name, *kept, classes=10)


def _checked(dataset: Dataset) -> Dataset:
    """A user's data, of which nothing is known, unless they teach nothing."""
    taught, asked = dataset.train.labels.unique(), dataset.test.labels.unique()
    for label in asked[~torch.isin(asked, taught)].tolist():
        raise DataError(
            f"every class of the test images must have training images, too, and class {label} of "
            f"0…{dataset.classes - 1} has none; a class that is to be split needs two images or more"
        )
    if isinstance(dataset.train, Split):
        low, high = (int(bound) for bound in torch.aminmax(dataset.train.images))
        if low == high:
            raise DataError(f"training images must differ, but every pixel of all of them is {low}")
    return dataset


def _imagenet(root: DataRoot) -> Path:
    folder = root.path / "imagenet"
    for part in _IMAGENET_FILES:
        if not os.path.isdir(folder / part):
            raise DataError(
                f"{folder / part} must be a folder that holds a folder of images for each class, and is missing; "
                "ImageNet cannot be downloaded by itself (ask for it at https://image-net.org): unpack it "
                f"there, or set data_root or $HIT_DATA, now {root}"
            )
    return folder


def _binarise(split: Split) -> Split:
    """round(x / 255), as levels 0 and 255."""
    return Split(split.images.ge(128).to(torch.uint8).mul_(255), split.labels)
