"""Which image files a folder holds, and of which class each is, if any."""

__all__ = ["File", "Listing", "labels_of", "list_folder"]

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hit.data.folders.split_folders import check_no_splits, train_and_test
from hit.data.folders.walking import files_once, holds_images, image_names, subfolder_names
from hit.errors import DataError, nearest

#: Path of a file below the folder of its part, with slashes, and its class; None where there are no classes.
File = tuple[str, int | None]


@dataclass(frozen=True)
class Listing:
    """Files of a folder, in the order of their names.

    Attributes:
        train: the folder of the training files, and the files below it.
        test: the same of the test files; None where the folder does not tell them apart.
        classes: M; 0 where the folder tells no classes.
    """

    train: tuple[Path, list[File]]
    test: tuple[Path, list[File]] | None
    classes: int


def list_folder(folder: Path) -> Listing:
    """The image files of `folder/train/<class>/…` and `folder/test/<class>/…`, or of `folder/<class>/…`.

    Images that lie right in the folder, or right in both splits, have no labels, unless folders beside them hold
    images: then these are classes, and what lies beside them is left alone.

    `hit.data.folders.split_folders` says how splits may be called. Classes are numbered in the order of their names;
    names that are the same text in other bytes (é as one character or as two) are one name.
    `hit.data.folders.walking` says which files count, at any depth below their class.

    Raises:
        DataError: an empty folder, a class of the test images without training images, one split with classes and
            one without, a file of two classes or two splits, or folders of which it is not clear whether they are
            splits or classes.
    """
    if _is_flat(folder):
        return Listing((folder, _unlabelled([folder])[0]), None, 0)
    parts = _subfolders(folder)
    splits = train_and_test(folder, parts)
    if splits is None:
        return Listing((folder, _files([parts])[0]), None, len(parts))
    flat = [split for split in splits if _is_flat(split)]
    if len(flat) == len(splits):
        train_files, test_files = _unlabelled(splits)
        return Listing((splits[0], train_files), (splits[1], test_files), 0)
    if flat:
        other = next(split for split in splits if split not in flat)
        raise DataError(f"both splits must have folders for classes, or neither, got none in {flat[0]} and {other}")
    classes, test = (_subfolders(split) for split in splits)
    for split, named in zip(splits, (classes, test), strict=True):
        check_no_splits(split, named)
    for name in test.keys() - classes.keys():
        raise DataError(f"{test[name]} has no class of that name in {splits[0]}{nearest(name, classes)}")
    train_files, test_files = _files([classes, test])
    return Listing((splits[0], train_files), (splits[1], test_files), len(classes))


def labels_of(files: Sequence[File]) -> Tensor | None:
    """Classes of files, int64, N; None where there are none."""
    known = [label for _, label in files if label is not None]
    return torch.tensor(known) if known else None


def _is_flat(folder: Path) -> bool:
    """Whether a folder holds images, and no folder in it does."""
    below = subfolder_names(folder)
    return bool(image_names(folder)) and not any(holds_images(folder / name) for name in below)


def _unlabelled(folders: Sequence[Path]) -> list[list[File]]:
    """The files of folders without classes."""
    return [[(file, None) for file in found] for found in files_once(folders, check_no_splits)]


def _subfolders(folder: Path) -> dict[str, Path]:
    """Name → folder, in the order of names."""
    found: dict[str, Path] = {}
    for name in subfolder_names(folder):
        text = unicodedata.normalize("NFC", name)
        if text in found:
            raise DataError(f"{folder} must hold one folder of a name, got two called {text}, in different bytes")
        found[text] = folder / name
    if not found:
        raise DataError(f"{folder} must hold images, or a folder of images for each class, got neither")
    return dict(sorted(found.items()))


def _files(parts: list[Mapping[str, Path]]) -> list[list[File]]:
    """The files of each part; classes are numbered as in the first one."""
    numbers = {name: number for number, name in enumerate(parts[0])}
    listed = iter(files_once([path for part in parts for path in part.values()], check_no_splits))
    return [
        [(f"{path.name}/{file}", numbers[name]) for name, path in part.items() for file in next(listed)]
        for part in parts
    ]
