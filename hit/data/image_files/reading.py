"""Images of a folder or of an .npz file, read part by part."""

__all__ = ["ImageSource", "open_images"]

import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from hit.data.error_text import reason
from hit.data.folders.decode import read_whole
from hit.data.folders.walking import files_once
from hit.data.labelled_images import by
from hit.errors import DataError, shown

Shape = tuple[int, int, int]

_GREY, _COLOUR = 1, 3
#: Names of the array of an .npz file that holds images, the first of them that is there.
_NAMES = ("images", "x", "x_test")


@dataclass(frozen=True)
class ImageSource:
    """Images that can be read once or several times.

    Attributes:
        count: how many.
        batches: how many at a time at most → uint8 tensors, n × C × H × W; a DataError where one does not fit.
    """

    count: int
    batches: Callable[[int], Iterator[Tensor]]


def open_images(path: Path, shape: Shape) -> ImageSource:
    """The images of a folder, in the order of their paths, or of an .npz file.

    Args:
        path: a folder with image files at any depth, or an .npz file with an array of uint8 images `images`, `x` or
            `x_test`, or one array alone: N × C × H × W, N × H × W × C, or N × H × W of grey ones.
        shape: (C, H, W) that they must have. Grey files become colour where C is 3.

    Raises:
        DataError: there is nothing, or what there is does not fit.
    """
    if path.is_dir():
        files = files_once([path], lambda folder, names: None)[0]
        return ImageSource(len(files), lambda size: _of_folder(path, files, shape, size))
    if path.suffix.lower() != ".npz":
        raise DataError(f"input must be a folder of images or an .npz file, got {shown(str(path))}")
    try:
        with zipfile.ZipFile(path) as archive, archive.open(_member(archive, path)) as file:
            count, _ = _layout(file, shape, path)
    except FileNotFoundError:
        raise DataError(f"input must be there, and there is no file {path}") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise _unreadable(path, error) from None
    return ImageSource(count, lambda size: _of_npz(path, shape, size))


def _of_folder(folder: Path, files: list[str], shape: Shape, size: int) -> Iterator[Tensor]:
    for start in range(0, len(files), size):
        yield torch.stack([_image(os.path.join(folder, name), shape) for name in files[start : start + size]])


def _image(path: str, shape: Shape) -> Tensor:
    pixels = read_whole(path)
    channels, height, width = shape
    found = (_GREY if pixels.ndim == 2 else _COLOUR, *pixels.shape[:2])
    if found[1:] != (height, width) or found[0] > channels or channels not in (_GREY, _COLOUR):
        kinds = {_GREY: "grey", _COLOUR: "RGB"}
        raise DataError(
            f"{path} must be {kinds.get(channels, f'of {channels} channels')} and of {width}×{height} pixels, as the "
            f"model's images are, got {kinds[found[0]]} and {found[2]}×{found[1]}"
        )
    image = torch.from_numpy(np.array(pixels))
    return image.expand(channels, height, width) if pixels.ndim == 2 else image.permute(2, 0, 1)


def _of_npz(path: Path, shape: Shape, size: int) -> Iterator[Tensor]:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(_member(archive, path)) as file:
            left, channels_last = _layout(file, shape, path)
            channels, height, width = shape
            stored = (height, width, channels) if channels_last else shape
            while left:
                count = min(size, left)
                wanted = count * channels * height * width
                read = file.read(wanted)
                if len(read) != wanted:
                    raise DataError(f"{path} is cut short")
                part = torch.from_numpy(np.frombuffer(read, np.uint8).reshape(count, *stored).copy())
                yield part.permute(0, 3, 1, 2).contiguous() if channels_last else part
                left -= count
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise _unreadable(path, error) from None


def _member(archive: zipfile.ZipFile, path: Path) -> str:
    names = archive.namelist()
    for name in _NAMES:
        if f"{name}.npy" in names:
            return f"{name}.npy"
    if len(names) == 1 and names[0].endswith(".npy"):
        return names[0]
    raise DataError(f"{path} must hold images under the name {', '.join(_NAMES[:-1])} or {_NAMES[-1]}")


def _layout(file: IO[bytes], shape: Shape, path: Path) -> tuple[int, bool]:
    """How many images an array holds, and whether channels stand last."""
    major, _ = npy.read_magic(file)
    read = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
    stored, fortran, dtype = read(file)
    if dtype != np.uint8 or fortran:
        got = "columns first" if dtype == np.uint8 else str(dtype)
        raise DataError(f"images must be uint8 with levels 0 to 255, in C order, got {got} in {path}")
    channels, height, width = shape
    if not stored or stored[0] < 1:
        raise DataError(f"images must be one or more, got an array of shape {by(stored)} in {path}")
    if stored[1:] == shape or (channels == _GREY and stored[1:] == (height, width)):
        return stored[0], False
    if stored[1:] == (height, width, channels):
        return stored[0], True
    raise DataError(f"images must be of shape N×{by(shape)}, as the model's are, got {by(stored)} in {path}")


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read as an .npz file: {reason(error)}")
