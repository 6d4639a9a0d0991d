"""Images that are read from their files, as square crops or whole, whenever a batch asks for them."""

__all__ = ["StreamedImages", "open_stream"]

import hashlib
import os
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from hit.data.folders.fingerprint import fingerprint
from hit.data.folders.listing import File, Listing, labels_of
from hit.data.folders.reader import Reader, Sides, height_and_width
from hit.data.labelled_images import LabelledImages, by
from hit.data.splitting import split_indices

_VERIFIED_AT_ONCE = 64
_CPU = torch.device("cpu")


@final
@dataclass(frozen=True, eq=False, repr=False)
class StreamedImages(LabelledImages):
    """Images of files, with labels, if any, in memory.

    A batch holds 3×side×side crops of its images (`hit.data.folders.decode.read_square`): at the centre, or
    at random places along the longer side. Which ones is a function of the batch's permutation and of the
    generator of the crops, never of the processes that read them. Images that all have one size may be whole.

    Attributes:
        root: folder of the files.
        names: path of each file below it.
        labels: int64, N, classes 0 to M−1; None where there are none.
        sides: side of the crops, or height and width of images that are whole, pixels.
        reader: of such images; the parts of a data set share one.
        contents: fingerprint of the files.
        device: where labels and batches are.
    """

    root: Path
    names: Sequence[str]
    labels: Tensor | None
    sides: Sides
    reader: Reader
    contents: str
    device: torch.device = _CPU

    def __len__(self) -> int:
        return len(self.names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return 3, *height_and_width(self.sides)

    def image_batches(
        self, batch_size: int, permutation: Tensor | None, crops: torch.Generator | None
    ) -> Iterator[Tensor]:
        if batch_size < 1:
            raise ValueError(f"batch_size must be 1 or more, got {batch_size}")
        order = range(len(self)) if permutation is None else permutation.tolist()
        places: Sequence[float | None] = [None] * len(order)
        if crops is not None:
            # float32 draws would round up to 1 where they are scaled to the pixels of a long side.
            places = torch.rand(len(order), generator=crops, dtype=torch.float64).tolist()
        requests = (
            (os.path.join(self.root, self.names[index]), place) for index, place in zip(order, places, strict=True)
        )
        return (images.to(self.device) for images in self.reader.batches(requests, batch_size))

    def feed(self, update: Callable[[Any], None]) -> None:
        form = f"crops of {self.sides}" if isinstance(self.sides, int) else f"images of {by(self.sides)}"
        update(f"{form};{self.contents};".encode())

    def to(self, device: torch.device | str) -> "StreamedImages":
        labels = None if self.labels is None else self.labels.to(device)
        return replace(self, labels=labels, device=torch.device(device))

    def verify(self, check: Callable[[], None] = lambda: None) -> None:
        for _ in self.image_batches(_VERIFIED_AT_ONCE, None, None):
            check()


def open_stream(listing: Listing, sides: Sides, workers: int | None = None) -> tuple[StreamedImages, StreamedImages]:
    """Training and test images of a folder, as square crops or whole.

    Files are put in the order of a hash of their names below the folder, so that the first ones are of
    mixed classes; a folder in one piece is split by `hit.data.splitting.split_indices` from there.

    Args:
        listing: the files.
        sides: side of the crops, or height and width that all images have, pixels.
        workers: processes that read; None: as many as suit the machine, 0: this process reads.

    Raises:
        DataError: a file is empty or missing, or there are too few.
    """
    reader = Reader(sides, workers)
    root, files = listing.train
    files = sorted(files, key=_key)
    if listing.test is not None:
        test_root, test_files = listing.test
        return _open(root, files, sides, reader), _open(test_root, sorted(test_files, key=_key), sides, reader)
    train, test = (
        [files[index] for index in indices.tolist()] for indices in split_indices(len(files), labels_of(files))
    )
    return _open(root, train, sides, reader), _open(root, test, sides, reader)


def _open(root: Path, files: Sequence[File], sides: Sides, reader: Reader) -> StreamedImages:
    labels = labels_of(files)
    root = root.absolute()  # workers may stand elsewhere
    return StreamedImages(root, [name for name, _ in files], labels, sides, reader, fingerprint(root, files))


def _key(file: File) -> bytes:
    name = unicodedata.normalize("NFC", file[0])  # file systems keep é as one character or as two
    return hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=16).digest()
