"""Whether the files of a named data set are there or can be had, found before anything heavy is imported."""

__all__ = ["check_files", "check_folder", "imagenet_folder", "not_obtainable"]

import os
from pathlib import Path

from hit.config.parts import DATASETS
from hit.dataset_files.data_root import DataRoot
from hit.dataset_files.network import reach
from hit.dataset_files.torchvision_files import TORCHVISION_FILES
from hit.errors import DataError

_IMAGENET_PARTS = ("train", "val")


def check_files(name: str, root: str) -> None:
    """Return where a data set's files are there, may be downloaded, or are for others to say.

    A server that answers may still lack them, and an archive that lies there may be damaged: reading tells.

    Args:
        name: as of `hit.data.load`; what is not ours by name has nothing to be checked.
        root: likewise.

    Raises:
        DataError: they are missing, and no server that has them answers; or the root is no folder.
        ConfigError: a root that cannot be reached.
    """
    name = name.strip()
    found = DataRoot.find(root)
    if name not in DATASETS.names() or DATASETS.source(name) is not None:
        return
    try:
        if name == "imagenet":
            imagenet_folder(found)
        elif (files := TORCHVISION_FILES.get(name.removeprefix("binary_"))) is not None:
            check_folder(found)
            missing = [file for file in files.needed if not os.path.isfile(found.path / file)]
            if not missing or any(os.path.isfile(found.path / archive) for archive in files.archives):
                return
            try:
                reach(files.urls)
            except OSError as error:
                raise not_obtainable(missing[0], found, str(error)) from error
    except DataError as error:
        raise DataError(f"dataset {name!r}: {error}") from error


def check_folder(root: DataRoot) -> None:
    """Raise DataError where the root is there and no folder."""
    if root.path.exists() and not root.path.is_dir():
        raise DataError(f"data_root must be a folder, got the file {root}")


def not_obtainable(file: str, root: DataRoot, why: str) -> DataError:
    """What is wrong where a file is missing and no download gives it."""
    return DataError(
        f"{file} is not in {root} and cannot be downloaded: {why}; put it there, "
        "or set data_root or $HIT_DATA to the folder that has it"
    )


def imagenet_folder(root: DataRoot) -> Path:
    """Where ImageNet lies.

    Raises:
        DataError: it does not.
    """
    folder = root.path / "imagenet"
    for part in _IMAGENET_PARTS:
        if not os.path.isdir(folder / part):
            raise DataError(
                f"{folder / part} must be a folder that holds a folder of images for each class, and is missing; "
                "ImageNet cannot be downloaded by itself (ask for it at https://image-net.org): unpack it "
                f"there, or set data_root or $HIT_DATA, now {root}"
            )
    return folder
