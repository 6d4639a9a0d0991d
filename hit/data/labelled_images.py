"""What training and evaluation read: images, or vectors, with labels where there are some, wherever they are kept."""

__all__ = ["LabelledImages", "by", "cut"]

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from hit.schema import LabelKind


class LabelledImages(ABC):
    """One part of a data set. The labels are always in memory; the images may be read when they are asked for.

    Examples may be vectors in place of images: then `shape` is (D,), and there is no `image_shape`.

    Attributes:
        labels: N, on the device that batches are given on: int64, classes 0 to M−1, or float32, continuous and
            finite; None where nobody has labelled the images.
    """

    labels: Tensor | None

    @property
    @abstractmethod
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W): channels, height and width in pixels of every image that batches hold."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of every example that batches hold: (C, H, W) of images, (D,) of vectors."""
        return self.image_shape

    @abstractmethod
    def image_batches(
        self, batch_size: int, permutation: Tensor | None, crops: torch.Generator | None
    ) -> Iterator[Tensor]:
        """See `hit.data.batches`."""

    @abstractmethod
    def feed(self, update: Callable[[Any], None]) -> None:
        """Hand all that tells these images and labels from others to a hash, as bytes."""

    @abstractmethod
    def to(self, device: torch.device | str) -> Self:
        """The same images, with labels and batches on `device`; tensors that are there already are shared."""

    @abstractmethod
    def verify(self, check: Callable[[], None] = lambda: None) -> None:
        """Read every image once where that may still fail; nothing to do for images in memory.

        Args:
            check: called between batches; raises to stop.

        Raises:
            DataError: an image cannot be read; the message names its file.
        """

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where labels and batches are."""

    @abstractmethod
    def __len__(self) -> int:
        """N, the number of images."""

    @property
    def label_kind(self) -> LabelKind:
        """What the labels are."""
        if self.labels is None:
            return LabelKind.NONE
        return LabelKind.CONTINUOUS if self.labels.is_floating_point() else LabelKind.CLASSES

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self)} {'images' if len(self.shape) == 3 else 'vectors'} of {by(self.shape)})"
        )

    def head(self, count: int) -> Tensor:
        """The first `count` images (fewer where there are fewer): uint8, n×C×H×W; or vectors, float32, n×D."""
        count = min(count, len(self))
        return next(self.image_batches(count, torch.arange(count, device=self.device), None))


def cut(tensor: Tensor, batch_size: int, permutation: Tensor | None) -> Iterator[Tensor]:
    """Rows of a tensor, batch by batch; without a permutation, views of it."""
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, got {batch_size}")
    if permutation is None:
        return iter(torch.split(tensor, batch_size))
    chunks = torch.split(permutation.to(tensor.device), batch_size)
    return (tensor.index_select(0, chunk) for chunk in chunks)


def by(shape: Sequence[int]) -> str:
    """A shape in words: '3×32×32'."""
    return "×".join(map(str, shape)) or "()"
