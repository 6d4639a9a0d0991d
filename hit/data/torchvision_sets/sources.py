"""torchvision's data sets: which files they are, how torchvision fetches them and reads them.

torchvision is imported where it is used: it takes two seconds, which `digits` and arrays need not pay.
"""

__all__ = ["SOURCES", "Source", "is_intact"]

import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import torch
from torch import Tensor

from hit.data.dataset import Split
from hit.data.error_text import reason
from hit.errors import DataError


class Source(ABC):
    """A data set under a data root, as torchvision stores it. Paths are relative to the root."""

    @abstractmethod
    def files(self) -> tuple[str, ...]:
        """Every file that `read` needs."""

    @abstractmethod
    def archives(self) -> Mapping[str, str]:
        """What torchvision downloads before it unpacks, with MD5 sums."""

    def urls(self) -> tuple[str, ...]:
        """Where torchvision downloads from: where none of these answers, it need not try."""
        return ()

    @abstractmethod
    def fetch(self, root: Path) -> None:
        """Let torchvision download the files to `root`. Raises what torchvision and urllib raise."""

    @abstractmethod
    def read(self, root: Path) -> tuple[Split, Split]:
        """Training and test split of files that are all there.

        Raises:
            DataError: a file is damaged; the message names it.
        """


def is_intact(path: Path, md5: str) -> bool:
    """Whether `path` is a file with that MD5 sum."""
    from torchvision.datasets.utils import check_integrity

    return bool(check_integrity(path, md5))


@final
class IdxSource(Source):
    """MNIST and its kin: four files in the IDX format, http://yann.lecun.com/exdb/mnist/."""

    def __init__(self, folder: Literal["MNIST", "FashionMNIST"]) -> None:
        self._folder = folder

    def files(self) -> tuple[str, ...]:
        return tuple(
            f"{self._folder}/raw/{part}-{kind}-ubyte"
            for part in ("train", "t10k")
            for kind in ("images-idx3", "labels-idx1")
        )

    def archives(self) -> Mapping[str, str]:
        return {f"{self._folder}/raw/{name}": md5 for name, md5 in self._torchvision().resources}

    def urls(self) -> tuple[str, ...]:
        first, _ = self._torchvision().resources[0]
        return tuple(f"{mirror}{first}" for mirror in self._torchvision().mirrors)

    def fetch(self, root: Path) -> None:
        self._torchvision()(root, download=True)

    def read(self, root: Path) -> tuple[Split, Split]:
        # torchvision checks of these files only that they exist, and its reader does not say which one it fails on.
        from torchvision.datasets.mnist import read_image_file, read_label_file

        train_images, train_labels, test_images, test_labels = (
            _read_idx(reader, root / file)
            for reader, file in zip([read_image_file, read_label_file] * 2, self.files(), strict=True)
        )
        return Split(train_images[:, None], train_labels), Split(test_images[:, None], test_labels)

    def _torchvision(self) -> Any:
        from torchvision import datasets

        return getattr(datasets, self._folder)


@final
class CifarSource(Source):
    """CIFAR-10, https://www.cs.toronto.edu/~kriz/cifar.html: batches that torchvision checks, then unpickles."""

    def files(self) -> tuple[str, ...]:
        return tuple(self._checksums())

    def archives(self) -> Mapping[str, str]:
        cifar = self._torchvision()
        return {cifar.filename: cifar.tgz_md5}

    def urls(self) -> tuple[str, ...]:
        return (self._torchvision().url,)

    def fetch(self, root: Path) -> None:
        self._open(root, download=True)

    def read(self, root: Path) -> tuple[Split, Split]:
        train, test = (self._split(root, train) for train in (True, False))
        return train, test

    def _split(self, root: Path, train: bool) -> Split:
        read = _checked(lambda: self._open(root, train=train), root, self._checksums())
        images = np.ascontiguousarray(read.data.transpose(0, 3, 1, 2))
        return Split(torch.from_numpy(images), torch.tensor(read.targets))

    def _open(self, root: Path, **options: bool) -> Any:
        with warnings.catch_warnings():
            # The batches were pickled under Python 2: numpy 2.4.0 to 2.4.4 warn about how it wrote dtypes
            # (https://github.com/pytorch/vision/issues/9340).
            warnings.simplefilter("ignore", np.exceptions.VisibleDeprecationWarning)
            return self._torchvision()(root, **options)

    def _checksums(self) -> Mapping[str, str]:
        cifar = self._torchvision()
        batches = [*cifar.train_list, *cifar.test_list, (cifar.meta["filename"], cifar.meta["md5"])]
        return {f"{cifar.base_folder}/{name}": md5 for name, md5 in batches}

    def _torchvision(self) -> Any:
        from torchvision.datasets import CIFAR10

        return CIFAR10


@final
class SvhnSource(Source):
    """Street View House Numbers, cropped digits, http://ufldl.stanford.edu/housenumbers/."""

    def files(self) -> tuple[str, ...]:
        return tuple(self._checksums())

    def archives(self) -> Mapping[str, str]:
        return self._checksums()

    def urls(self) -> tuple[str, ...]:
        return (self._torchvision().split_list["train"][0],)

    def fetch(self, root: Path) -> None:
        for part in ("train", "test"):
            self._torchvision()(root, split=part, download=True)

    def read(self, root: Path) -> tuple[Split, Split]:
        train, test = (self._split(root, part) for part in ("train", "test"))
        return train, test

    def _split(self, root: Path, part: str) -> Split:
        read = _checked(lambda: self._torchvision()(root, split=part), root, self._checksums())
        return Split(torch.from_numpy(np.ascontiguousarray(read.data)), torch.from_numpy(read.labels))

    def _checksums(self) -> Mapping[str, str]:
        parts = self._torchvision().split_list
        return {name: md5 for _, name, md5 in (parts["train"], parts["test"])}

    def _torchvision(self) -> Any:
        from torchvision.datasets import SVHN

        return SVHN


#: The data sets that torchvision fetches, by name.
SOURCES: Mapping[str, Source] = {
    "mnist": IdxSource("MNIST"),
    "fashion_mnist": IdxSource("FashionMNIST"),
    "cifar10": CifarSource(),
    "svhn": SvhnSource(),
}


def _read_idx(reader: Callable[[str], Tensor], path: Path) -> Tensor:
    try:
        return reader(os.fspath(path))
    except (RuntimeError, ValueError, TypeError, KeyError, AssertionError) as error:
        raise _damaged(path, f"{path.stat().st_size:,} bytes do not fit what an IDX header says") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {reason(error)}") from error


def _checked(read: Callable[[], Any], root: Path, checksums: Mapping[str, str]) -> Any:
    """What torchvision reads; its complaint about some file becomes ours about the one at fault."""
    try:
        return read()
    except OSError as error:
        raise DataError(f"a file cannot be read: {reason(error)}") from error
    except RuntimeError as error:
        for file, md5 in checksums.items():
            if not is_intact(root / file, md5):
                raise _damaged(root / file, f"its MD5 sum is not {md5}") from error
        raise DataError(reason(error)) from error


def _damaged(path: Path, why: str) -> DataError:
    return DataError(f"{path} is damaged: {why}; remove it and it will be downloaded anew")
