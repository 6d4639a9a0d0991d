"""The data sets that are known by name: what `hit.config.parts` calls to read each."""

__all__ = ["DataRequest", "digits", "imagenet", "torchvision_set"]

from dataclasses import dataclass

import torch

from hit.data.dataset import Dataset, Split
from hit.data.digits import read_digits
from hit.data.folders.folder import CROP, read_folder
from hit.data.torchvision_sets.download import ensure
from hit.data.torchvision_sets.sources import SOURCES
from hit.dataset_files import DataRoot, imagenet_folder


@dataclass(frozen=True)
class DataRequest:
    """What is asked of whoever reads a data set.

    Attributes:
        name: of the data set.
        root: where files lie that are downloaded once.
        crop: side of square crops of streamed images; 0: the usual one.
        workers: processes that read streamed images; None: as many as suit the machine, 0: this one reads.
    """

    name: str
    root: DataRoot
    crop: int = 0
    workers: int | None = None


def digits(request: DataRequest) -> Dataset:
    """Needs no root."""
    return Dataset(request.name, *read_digits(), classes=10)


def torchvision_set(request: DataRequest) -> Dataset:
    """Downloaded where it is missing."""
    source = SOURCES[request.name.removeprefix("binary_")]
    ensure(source, request.root)
    kept = source.read(request.root.path)
    if request.name == "binary_mnist":
        kept = (_binarise(kept[0]), _binarise(kept[1]))
    return Dataset(request.name, *kept, classes=10)


def imagenet(request: DataRequest) -> Dataset:
    """Streamed from `<root>/imagenet`."""
    train, test, classes = read_folder(imagenet_folder(request.root), request.crop or CROP, request.workers)
    return Dataset(request.name, train, test, classes)


def _binarise(split: Split) -> Split:
    """round(x / 255), as levels 0 and 255."""
    return Split(split.images.ge(128).to(torch.uint8).mul_(255), split.labels)
