"""Which image files a folder of images by class holds, and of which class each is."""

__all__ = ["ENDINGS", "Listing", "list_folder"]

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hit.data.faults import reason
from hit.errors import DataError, nearest

ENDINGS = (".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_PARTS = {"train", "test", "val", "valid", "validation"}

#: Path of a file below the folder of its part, with slashes, and its class.
File = tuple[str, int]


@dataclass(frozen=True)
class Listing:
    """Files of a folder, in the order of their names.

    Attributes:
        train: the folder of the training files, and the files below it.
        test: the same of the test files; None where the folder does not tell them apart.
        classes: M.
    """

    train: tuple[Path, list[File]]
    test: tuple[Path, list[File]] | None
    classes: int


def list_folder(folder: Path) -> Listing:
    """The image files of `folder/train/<class>/…` and `folder/test/<class>/…`, or of `folder/<class>/…`.

    Where there is no `test`, `val` is taken (as in ImageNet). Classes are numbered in the order of their
    names. Image files lie at any depth below their class; hidden files and files of other kinds are left
    alone.

    Raises:
        DataError: an empty folder, or a class of the test images without training images.
    """
    parts = _subfolders(folder)
    tested = next((parts[name] for name in ("test", "val") if name in parts), None)
    if "train" in parts and tested is not None:
        classes = _subfolders(parts["train"])
        test = _subfolders(tested)
        for name in test.keys() - classes.keys():
            raise DataError(f"{test[name]} has no class of that name in {parts['train']}{nearest(name, classes)}")
        numbers = {name: number for number, name in enumerate(classes)}
        return Listing(
            (parts["train"], _files(classes, numbers)),
            (tested, _files(test, numbers)),
            len(classes),
        )
    if parts.keys() <= _PARTS:
        raise DataError(f"{folder} must hold both train and test, or a folder for each class, got {', '.join(parts)}")
    return Listing((folder, _files(parts, {name: number for number, name in enumerate(parts)})), None, len(parts))


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


def _files(folders: Mapping[str, Path], numbers: Mapping[str, int]) -> list[File]:
    return [(f"{name}/{file}", numbers[name]) for name, folder in folders.items() for file in _image_files(folder)]


def _image_files(folder: Path) -> list[str]:
    # Plain strings: ImageNet has 1.3 million files, and as many Path objects take a gigabyte.
    start = len(os.path.join(folder, ""))
    paths = [
        os.path.join(base, name)[start:].replace(os.sep, "/")
        for base, _, names in os.walk(folder, onerror=_refuse, followlinks=True)
        for name in names
        if name.lower().endswith(ENDINGS) and not name.startswith(".")
    ]
    if not paths:
        raise DataError(f"{folder} must hold images ({', '.join(ENDINGS)}), got none")
    return sorted(paths)


def _refuse(error: OSError) -> None:
    raise DataError(f"a folder cannot be read: {reason(error)}") from error
