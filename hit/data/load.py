"""From a name to a data set: the named ones, an .npz file, or a folder of images."""

__all__ = ["NAMES", "load"]

import os
from pathlib import Path

import torch

from hit.config.paths import given_path
from hit.data.dataset import Dataset, Split
from hit.data.digits import read_digits
from hit.data.folders.folder import CROP, read_folder
from hit.data.npz import read_npz
from hit.data.torchvision_sets.download import DataRoot, ensure
from hit.data.torchvision_sets.sources import SOURCES
from hit.errors import DataError, nearest
from hit.schema import LabelKind

#: The data sets known by name.
NAMES = ("digits", "mnist", "binary_mnist", "fashion_mnist", "cifar10", "svhn", "imagenet")

_IMAGENET_FILES = ("train", "val")


def load(name: str, root: str = "", crop: int = 0, workers: int | None = None) -> Dataset:
    """The data set called `name`, on the CPU.

    Args:
        name: one of `NAMES`; or the path of an `.npz` file (`hit.data.npz.read_npz` says what it
            holds); or the path of a folder of images (`hit.data.folders.folder.read_folder`). A folder that is
            called like a data set is reached as `./mnist`.
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
    if os.sep in name or name.startswith("~"):
        given_path("dataset", name)
    try:
        return _load(name, root, crop, workers)
    except DataError as error:
        raise DataError(f"dataset {name!r}: {error}") from error


def _load(name: str, root: str, crop: int, workers: int | None) -> Dataset:
    if crop < 0:
        raise DataError(f"crop must be 0 or more pixels, got {crop}")
    if name == "imagenet":
        train, test, classes = read_folder(_imagenet(DataRoot.find(root)), crop or CROP, workers)
        return _checked(Dataset(name, train, test, classes))
    path = Path(os.path.expanduser(name))
    if name not in NAMES and path.suffix.lower() != ".npz" and name and os.path.isdir(path):
        # unlike Path.is_dir, os.path.isdir is False where permission is denied
        train, test, classes = read_folder(path, crop, workers)
        return _checked(Dataset(name, train, test, classes))
    if crop and (name in NAMES or path.suffix.lower() == ".npz"):
        raise DataError(f"crop must be 0 but for imagenet and folders of images, got {crop}")
    if name == "digits":
        return Dataset(name, *read_digits(), classes=10)
    if name in NAMES:
        source = SOURCES[name.removeprefix("binary_")]
        data_root = DataRoot.find(root)
        ensure(source, data_root)
        kept = source.read(data_root.path)
        if name == "binary_mnist":
            kept = (_binarise(kept[0]), _binarise(kept[1]))
        return Dataset(name, *kept, classes=10)
    if path.suffix.lower() == ".npz":
        return _checked(Dataset(name, *read_npz(path)))
    if os.path.isfile(path):
        raise DataError("a file of data must end in .npz; images are given as a folder")
    if os.sep in name:
        raise DataError("there is no such file or folder")
    raise DataError(f"unknown{nearest(name.lower(), NAMES)}; or the path of an .npz file or of a folder of images")


def _checked(dataset: Dataset) -> Dataset:
    """A user's data, of which nothing is known, unless they teach nothing."""
    if dataset.label_kind is LabelKind.CLASSES and dataset.train.labels is not None and dataset.test.labels is not None:
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
