"""Images from a folder, with labels where it has a folder of image files for each class."""

__all__ = ["CROP", "LARGEST_IN_MEMORY", "read_folder"]

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from hit.data.dataset import Split
from hit.data.folders.decode import Pixels, image_size, read_whole
from hit.data.folders.listing import File, Listing, labels_of, list_folder
from hit.data.folders.reader import Sides
from hit.data.folders.stream import open_stream
from hit.data.labelled_images import LabelledImages
from hit.data.splitting import split_in_two
from hit.errors import DataError

_LOG = logging.getLogger(__name__)

#: Side of the crops of large images where none is asked for, pixels, and of the largest ones that may stay whole.
CROP = 256
#: A folder whose first image has no longer side is of small images: all have one size, and are held in memory, pixels.
LARGEST_IN_MEMORY = 64
#: Larger images are held in memory up to so many bytes in all, else streamed.
_MOST_BYTES = 2**30


def read_folder(folder: Path, crop: int = 0, workers: int | None = None) -> tuple[LabelledImages, LabelledImages, int]:
    """Training split, test split and number of classes of a folder of images.

    Either `folder/train/<class>/…` and `folder/test/<class>/…` (or `val`), or `folder/<class>/…`, which is
    split by `hit.data.splitting.split_indices`; images without labels lie right in `folder/train` and `folder/test`,
    or in `folder`. `hit.data.folders.listing` says which files count. The images are streamed as crops by
    `hit.data.folders.stream` where a crop is asked for, or where they are large or of several sizes: the first of them
    in the order of names has a side above 256 pixels, or one above 64 and not all have its size (or all have 256×256);
    then as crops of 256. Otherwise they keep their size. They are decoded into memory, and have 8 bits a channel; grey
    ones among RGB ones become RGB. Those above 64 pixels that would take more than a GiB are streamed whole.

    Images in memory are put in the order of a hash of their pixels, not of their file names: the first ones
    are of mixed classes, and renaming files changes neither the split nor the digest.

    Args:
        folder: where it is.
        crop: side of the crops, pixels; 0 leaves it to the images.
        workers: processes that read streamed images; None: as many as suit the machine.

    Raises:
        DataError: an empty folder, a class of the test images without training images, a file that is
            no image, or, in memory, one of another size; the message names it.
    """
    listing = list_folder(folder)
    root, train = listing.train
    streamed = crop or _streamed(listing)
    if streamed:
        return *open_stream(listing, streamed, workers), listing.classes
    files = _absolute(root, train)
    if listing.test is None:
        whole = _by_content(*_read(files))
        return *split_in_two(whole.images, whole.labels), listing.classes
    cut = len(files)
    images, labels = _read(files + _absolute(*listing.test))
    train_labels, test_labels = (None, None) if labels is None else (labels[:cut], labels[cut:])
    return _by_content(images[:cut], train_labels), _by_content(images[cut:], test_labels), listing.classes


def _streamed(listing: Listing) -> Sides | None:
    """What the images are streamed as where no crop is asked for; None: they are held in memory."""
    parts = [listing.train, *([listing.test] if listing.test is not None else [])]
    paths = [path for root, files in parts for path, _ in _absolute(root, files)]
    width, height = size = image_size(paths[0])
    if max(size) <= LARGEST_IN_MEMORY:
        return None
    if max(size) > CROP:
        _LOG.info("%s is larger than %d×%d pixels: images are crops of %d×%d", paths[0], *[CROP] * 4)
        return CROP
    if min(size) == CROP:
        return CROP
    if (other := next((path for path in paths if image_size(path) != size), None)) is not None:
        _LOG.info("%s is not of %d×%d pixels, as others are: images are crops of %d×%d", other, *size, CROP, CROP)
        return CROP
    return None if 3 * height * width * len(paths) <= _MOST_BYTES else (height, width)


def _absolute(root: Path, files: Sequence[File]) -> list[File]:
    return [(os.path.join(root, path), label) for path, label in files]


def _read(files: Sequence[File]) -> tuple[Tensor, Tensor | None]:
    first, _ = files[0]
    pixels: list[Pixels] = []
    for path, _ in files:
        image = read_whole(path)
        if pixels and image.shape[:2] != pixels[0].shape[:2]:
            raise DataError(
                f"all images must have one size where crop is 0, but {path} is {_size(image)} "
                f"and {first} {_size(pixels[0])}"
            )
        pixels.append(image)
    if any(image.ndim == 3 for image in pixels):
        pixels = [image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2) for image in pixels]
    else:
        pixels = [image[:, :, None] for image in pixels]
    images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()
    return images, labels_of(files)


def _by_content(images: Tensor, labels: Tensor | None) -> Split:
    keys = [hashlib.blake2b(image, digest_size=16).digest() for image in images.numpy()]
    marks = [0] * len(keys) if labels is None else labels.tolist()
    order = torch.tensor(sorted(range(len(keys)), key=lambda index: (keys[index], marks[index])))
    return Split(images[order], None if labels is None else labels[order])


def _size(image: Pixels) -> str:
    return f"{image.shape[1]}×{image.shape[0]} pixels"
