"""Images and labels from a folder that has a folder of image files for each class."""

__all__ = ["read_folder"]

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from hit.data.dataset import Split
from hit.data.faults import reason
from hit.data.splitting import split_in_two
from hit.errors import DataError, nearest

_ENDINGS = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_GREY, _COLOUR = ("1", "L"), ("P", "RGB")
_PARTS = {"train", "test", "val", "valid", "validation"}

Pixels = NDArray[np.uint8]


def read_folder(folder: Path) -> tuple[Split, Split, int]:
    """Training split, test split and number of classes of a folder of images.

    Either `folder/train/<class>/…` and `folder/test/<class>/…`, or `folder/<class>/…`, which is split
    by `hit.data.splitting.stratified_indices`. Classes are numbered in the order of their names.
    Image files lie at any depth below their class; hidden files and files of other kinds are left
    alone. All images have one size and are grey or RGB with 8 bits; grey ones among RGB ones become RGB.

    The images are put in the order of a hash of their pixels, not of their file names: the first ones
    are of mixed classes, and renaming files changes neither the split nor the digest.

    Raises:
        DataError: an empty folder, a class of the test images without training images, a file that is
            no image, or one of another size; the message names it.
    """
    parts = _subfolders(folder)
    if {"train", "test"} <= parts.keys():
        classes = _subfolders(parts["train"])
        test = _subfolders(parts["test"])
        for name in test.keys() - classes.keys():
            raise DataError(f"{test[name]} has no class of that name in {parts['train']}{nearest(name, classes)}")
        numbers = {name: number for number, name in enumerate(classes)}
        files = [(path, numbers[name]) for name in classes for path in _image_files(classes[name])]
        cut = len(files)
        files += [(path, numbers[name]) for name in test for path in _image_files(test[name])]
        images, labels = _read(files)
        return _by_content(images[:cut], labels[:cut]), _by_content(images[cut:], labels[cut:]), len(classes)
    if parts.keys() <= _PARTS:
        raise DataError(f"{folder} must hold both train and test, or a folder for each class, got {', '.join(parts)}")
    files = [(path, number) for number, name in enumerate(parts) for path in _image_files(parts[name])]
    whole = _by_content(*_read(files))
    return *split_in_two(whole.images, whole.labels), len(parts)


def _subfolders(folder: Path) -> dict[str, Path]:
    try:
        found = {
            path.name: path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith(".")
        }
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {reason(error)}") from error
    if not found:
        raise DataError(f"{folder} must hold a folder of images for each class, got no folder")
    return found


def _image_files(folder: Path) -> list[Path]:
    paths = [
        Path(base, name)
        for base, _, names in os.walk(folder, onerror=_refuse, followlinks=True)
        for name in names
        if name.lower().endswith(_ENDINGS) and not name.startswith(".")
    ]
    if not paths:
        raise DataError(f"{folder} must hold images ({', '.join(_ENDINGS)}), got none")
    return sorted(paths)


def _refuse(error: OSError) -> None:
    raise DataError(f"a folder cannot be read: {reason(error)}") from error


def _read(files: Sequence[tuple[Path, int]]) -> tuple[Tensor, Tensor]:
    first, _ = files[0]
    pixels: list[Pixels] = []
    for path, _ in files:
        image = _decode(path)
        if pixels and image.shape[:2] != pixels[0].shape[:2]:
            raise DataError(
                f"all images must have one size, but {path} is {_size(image)} and {first} {_size(pixels[0])}"
            )
        pixels.append(image)
    if any(image.ndim == 3 for image in pixels):
        pixels = [image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2) for image in pixels]
    else:
        pixels = [image[:, :, None] for image in pixels]
    images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()
    return images, torch.tensor([label for _, label in files])


def _decode(path: Path) -> Pixels:
    """Pixels of a file: H×W (grey) or H×W×3 (RGB)."""
    try:
        with Image.open(path) as image:
            mode = image.mode
            if mode in _GREY + _COLOUR:
                return np.asarray(image.convert("L" if mode in _GREY else "RGB"))
    except Exception as error:  # Pillow's decoders raise whatever a damaged file leads them to
        raise DataError(f"{path} cannot be read as an image: {reason(error)}") from error
    raise DataError(f"{path} must be grey or RGB with 8 bits, got Pillow's mode {mode}")


def _by_content(images: Tensor, labels: Tensor) -> Split:
    keys = [hashlib.blake2b(image, digest_size=16).digest() for image in images.numpy()]
    marks = labels.tolist()
    order = torch.tensor(sorted(range(len(keys)), key=lambda index: (keys[index], marks[index])))
    return Split(images[order], labels[order])


def _size(image: Pixels) -> str:
    return f"{image.shape[1]}×{image.shape[0]} pixels"
