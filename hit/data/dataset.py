"""A data set: two splits of images or vectors, its digest, and the way batches are cut from it."""

__all__ = ["Dataset", "Split", "batches", "labelled_batches"]

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

import torch
from torch import Tensor

from hit.data.labelled_images import LabelledImages, by, cut
from hit.errors import DataError
from hit.schema import DataForm, LabelKind


@final
@dataclass(frozen=True, eq=False, repr=False)
class Split(LabelledImages):
    """Images, or vectors, in memory, with labels where there are some, both on one device.

    Attributes:
        images: uint8, N×C×H×W, levels 0 to 255, C = 1 is grey, 3 RGB; or vectors: float32, N×D, all finite.
        labels: N: int64, classes 0 to M−1, or float32, continuous; None: no labels.

    Raises:
        DataError: an empty split, another type or shape, counts that differ, or a label that is not finite.
    """

    images: Tensor
    labels: Tensor | None = None

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        for what, tensor in (("images", images), ("labels", labels)):
            if tensor is not None and not isinstance(tensor, Tensor):
                raise DataError(f"{what} must be a torch tensor, got {type(tensor).__name__}")
        if images.ndim == 2 and images.dtype == torch.float32:
            if not images.isfinite().all():
                raise DataError(f"vectors must hold finite numbers, got {int((~images.isfinite()).sum())} others")
        elif images.ndim == 2:
            raise DataError(f"vectors must be float32 of shape N×D, got {_form(images)}")
        elif images.dtype != torch.uint8 or images.ndim != 4:
            raise DataError(f"images must be uint8 of shape N×C×H×W, got {_form(images)}")
        if images.numel() == 0:
            raise DataError(f"images must not be empty, got shape {by(images.shape)}")
        if labels is None:
            return
        if labels.dtype not in (torch.int64, torch.float32) or labels.ndim != 1:
            raise DataError(f"labels must be int64 (classes) or float32 (continuous) of shape N, got {_form(labels)}")
        if len(images) != len(labels):
            raise DataError(f"images and labels must be as many, got {len(images)} images and {len(labels)} labels")
        if not labels.isfinite().all():
            raise DataError(f"labels must be finite, got {int((~labels.isfinite()).sum())} that are not")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def device(self) -> torch.device:
        return self.images.device

    @property
    def image_shape(self) -> tuple[int, int, int]:
        if self.images.ndim == 2:
            raise DataError(f"images are needed, got vectors of {self.images.shape[1]} numbers")
        _, channels, height, width = self.images.shape
        return channels, height, width

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.images.shape[1:])

    def image_batches(
        self, batch_size: int, permutation: Tensor | None, crops: torch.Generator | None
    ) -> Iterator[Tensor]:
        return cut(self.images, batch_size, permutation)

    def feed(self, update: Callable[[Any], None]) -> None:
        for tensor in (self.images, self.labels):
            if tensor is None:
                update(b"no labels;")
                continue
            update(f"{tensor.dtype} {tuple(tensor.shape)};".encode())
            update(tensor.cpu().contiguous().numpy().data)

    def verify(self, check: Callable[[], None] = lambda: None) -> None:
        pass  # they have been read

    def to(self, device: torch.device | str) -> "Split":
        return Split(self.images.to(device), None if self.labels is None else self.labels.to(device))


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test split whose images, or vectors, have one shape.

    Attributes:
        name: what `hit.data.load` was asked for.
        train: the training split.
        test: the test split.
        classes: M, the number of classes; 0 where labels are continuous or missing.
        features: names of a vector's numbers, where the data have them.

    Raises:
        DataError: splits whose images differ in shape or whose labels differ in kind, fewer than two classes, a label
            outside 0 … M−1, or continuous labels that are all alike.
    """

    name: str
    train: LabelledImages
    test: LabelledImages
    classes: int
    features: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        train, test = self.train.shape, self.test.shape
        if train != test:
            kind = "vectors" if len(train) == len(test) == 1 else "images"
            raise DataError(f"{kind} of both splits must have one shape, got {by(train)} (train) and {by(test)} (test)")
        self._check_labels()

    def _check_labels(self) -> None:
        if self.test.label_kind != self.label_kind:
            raise DataError(
                f"labels of both splits must be of one kind, got {self.label_kind} (train) and "
                f"{self.test.label_kind} (test)"
            )
        if self.label_kind is not LabelKind.CLASSES:
            if self.classes:
                raise DataError(f"classes must be 0 where labels are {self.label_kind}, got {self.classes}")
            if self.train.labels is not None and self.train.labels.min() == self.train.labels.max():
                raise DataError(
                    f"continuous labels must differ, but all of the training images are {self.train.labels[0]:g}"
                )
            return
        if self.classes < 2:
            raise DataError(
                f"labels must tell two classes or more apart, got {self.classes}; images need no labels, either: leave "
                "them out, or put the files right into their folder"
            )
        for part, split in (("train", self.train), ("test", self.test)):
            assert split.labels is not None
            low, high = (int(bound) for bound in torch.aminmax(split.labels))
            if low < 0 or high >= self.classes:
                raise DataError(f"labels must be in 0…{self.classes - 1}, got {low}…{high} in the {part} split")

    @property
    def shape(self) -> tuple[int, ...]:
        """Of an example: (C, H, W) of images, (D,) of vectors."""
        return self.train.shape

    @property
    def form(self) -> DataForm:
        """What an example is."""
        return "images" if len(self.shape) == 3 else "vectors"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W): channels, height and width in pixels.

        Raises:
            DataError: the data are vectors.
        """
        try:
            return self.train.image_shape
        except DataError as error:
            raise DataError(f"dataset {self.name!r}: {error}") from None

    @property
    def label_kind(self) -> LabelKind:
        """What the labels of both splits are."""
        return self.train.label_kind

    @cached_property
    def digest(self) -> str:
        """Sixteen hex digits of the SHA-256 of both splits.

        Of images in memory: shapes, pixels and labels; names of the data set, of its files and of its
        classes do not enter. 50,000 images of 3×32×32 take about 0.2 s, once. Of streamed images:
        see `hit.data.folders.fingerprint`.
        """
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            split.feed(digest.update)
        return digest.hexdigest()[:16]

    def to(self, device: torch.device | str) -> "Dataset":
        """The same data set on `device`; tensors that are there already are shared, not copied."""
        moved = replace(self, train=self.train.to(device), test=self.test.to(device))
        if "digest" in vars(self):  # the contents are the same: spare the way back from the device
            vars(moved)["digest"] = self.digest
        return moved


def batches(
    split: LabelledImages,
    batch_size: int,
    permutation: Tensor | None = None,
    *,
    crops: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Images of a split, batch by batch, on the split's device; the last batch may be short.

    Args:
        split: where the images are taken from.
        batch_size: B, images a batch.
        permutation: int64, indices into the split in the order wanted (N, or fewer); None: as they lie.
        crops: streamed images larger than the batches are cropped where it says (a CPU generator, whose
            numbers are drawn before the first batch); None: at their centre. Images in memory are whole.

    Returns:
        uint8 tensors B×C×H×W, or vectors, float32, B×D. Without a permutation they may be views of the split: do
        not write into them.

    Raises:
        DataError: while iterating, a streamed image cannot be read; the message names its file.

    >>> split = Split(torch.zeros(5, 1, 28, 28, dtype=torch.uint8), torch.arange(5))
    >>> [len(images) for images in batches(split, 2)]
    [2, 2, 1]
    """
    return split.image_batches(batch_size, permutation, crops)


def labelled_batches(
    split: LabelledImages,
    batch_size: int,
    permutation: Tensor | None = None,
    *,
    crops: torch.Generator | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Like `batches`, with the labels: pairs of images (uint8, B×C×H×W) and labels (B).

    Raises:
        DataError: there are no labels, or an image cannot be read.

    >>> split = Split(torch.zeros(3, 1, 28, 28, dtype=torch.uint8), torch.tensor([7, 8, 9]))
    >>> [labels.tolist() for _, labels in labelled_batches(split, 2, torch.tensor([2, 0, 1]))]
    [[9, 7], [8]]
    """
    if split.labels is None:
        raise DataError("images must have labels here, and these have none")
    return zip(
        split.image_batches(batch_size, permutation, crops),
        cut(split.labels, batch_size, permutation),
        strict=True,
    )


def _form(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {by(tensor.shape)}"
