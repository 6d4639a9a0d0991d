"""A data set: two splits of uint8 images with labels, its digest, and the way batches are cut from it."""

__all__ = ["Dataset", "Split", "batches", "labelled_batches"]

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from hit.errors import DataError


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Images with labels, both on one device.

    Attributes:
        images: uint8, N×C×H×W, levels 0 to 255, C = 1 (grey) or 3 (RGB).
        labels: int64, N, classes 0 to M−1.

    Raises:
        DataError: an empty split, another type or shape, or counts that differ.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
            raise DataError(f"images must be uint8 of shape N×C×H×W with C = 1 or 3, got {_form(images)}")
        if images.numel() == 0:
            raise DataError(f"images must not be empty, got shape {_by(images.shape)}")
        if labels.dtype != torch.int64 or labels.ndim != 1:
            raise DataError(f"labels must be int64 of shape N, got {_form(labels)}")
        if len(images) != len(labels):
            raise DataError(f"images and labels must be as many, got {len(images)} images and {len(labels)} labels")

    def __len__(self) -> int:
        """N, the number of images."""
        return len(self.images)

    def __repr__(self) -> str:
        return f"Split({len(self)} images of {_by(self.images.shape[1:])})"

    def to(self, device: torch.device | str) -> "Split":
        """The same split on `device`; tensors that are there already are shared, not copied."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test split whose images have one shape.

    Attributes:
        name: what `hit.data.load` was asked for.
        train: the training split.
        test: the test split.
        classes: M, the number of classes.

    Raises:
        DataError: splits whose images differ in shape, fewer than two classes, or a label outside 0 … M−1.
    """

    name: str
    train: Split
    test: Split
    classes: int

    def __post_init__(self) -> None:
        train, test = self.train.images.shape[1:], self.test.images.shape[1:]
        if train != test:
            raise DataError(
                f"images of both splits must have one shape, got {_by(train)} (train) and {_by(test)} (test)"
            )
        if self.classes < 2:
            raise DataError(f"labels must tell two classes or more apart, got {self.classes}")
        for part, split in (("train", self.train), ("test", self.test)):
            low, high = (int(bound) for bound in torch.aminmax(split.labels))
            if low < 0 or high >= self.classes:
                raise DataError(f"labels must be in 0…{self.classes - 1}, got {low}…{high} in the {part} split")

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W): channels, height and width in pixels."""
        _, channels, height, width = self.train.images.shape
        return channels, height, width

    @cached_property
    def digest(self) -> str:
        """Sixteen hex digits of the SHA-256 of the contents: shapes, images and labels of both splits.

        Names of the data set, of its files and of its classes do not enter. 50,000 images of
        3×32×32 take about 0.2 s, once.
        """
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            for tensor in (split.images, split.labels):
                digest.update(f"{tensor.dtype} {tuple(tensor.shape)};".encode())
                digest.update(tensor.cpu().contiguous().numpy().data)
        return digest.hexdigest()[:16]

    def to(self, device: torch.device | str) -> "Dataset":
        """The same data set on `device`; tensors that are there already are shared, not copied."""
        moved = replace(self, train=self.train.to(device), test=self.test.to(device))
        if "digest" in vars(self):  # the contents are the same: spare the way back from the device
            vars(moved)["digest"] = self.digest
        return moved


def batches(split: Split, batch_size: int, permutation: Tensor | None = None) -> Iterator[Tensor]:
    """Images of a split, batch by batch, cut on the split's device; the last batch may be short.

    Args:
        split: where the images are taken from.
        batch_size: B, images a batch.
        permutation: int64, indices into the split in the order wanted (N, or fewer); None: as they lie.

    Returns:
        uint8 tensors B×C×H×W. Without a permutation they are views of the split: do not write into them.

    >>> split = Split(torch.zeros(5, 1, 28, 28, dtype=torch.uint8), torch.arange(5))
    >>> [len(images) for images in batches(split, 2)]
    [2, 2, 1]
    """
    return _cut(split.images, batch_size, permutation)


def labelled_batches(
    split: Split, batch_size: int, permutation: Tensor | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Like `batches`, with the labels: pairs of images (uint8, B×C×H×W) and labels (int64, B).

    >>> split = Split(torch.zeros(3, 1, 28, 28, dtype=torch.uint8), torch.tensor([7, 8, 9]))
    >>> [labels.tolist() for _, labels in labelled_batches(split, 2, torch.tensor([2, 0, 1]))]
    [[9, 7], [8]]
    """
    return zip(
        _cut(split.images, batch_size, permutation),
        _cut(split.labels, batch_size, permutation),
        strict=True,
    )


def _cut(tensor: Tensor, batch_size: int, permutation: Tensor | None) -> Iterator[Tensor]:
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, got {batch_size}")
    if permutation is None:
        return iter(torch.split(tensor, batch_size))
    chunks = torch.split(permutation.to(tensor.device), batch_size)
    return (tensor.index_select(0, chunk) for chunk in chunks)


def _form(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {_by(tensor.shape)}"


def _by(shape: torch.Size) -> str:
    return "×".join(map(str, shape)) or "()"
