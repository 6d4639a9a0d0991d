"""Images to a folder or an .npz file, written part by part; what is not whole leaves nothing behind."""

__all__ = ["image_writer", "whole_file"]

import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from numpy.lib import format as npy
from PIL import Image
from torch import Tensor

from hit.errors import DataError, shown

#: Digits of an image's number in its file's name.
_LEAST_DIGITS = 6


@contextmanager
def image_writer(path: Path, shape: tuple[int, int, int], count: int) -> Iterator[Callable[[Tensor], None]]:
    """A function that takes uint8 images, n × C × H × W, in their order. They are there when the block ends well.

    Args:
        path: an .npz file, which takes them as `images` and is replaced if it is there, or a folder that is not there
            yet or empty, which takes a PNG file each.
        shape: (C, H, W).
        count: how many images there will be.

    Raises:
        DataError: it cannot be written.
    """
    if path.suffix.lower() == ".npz":
        with (
            whole_file(path) as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("images.npy", "w", force_zip64=True) as member,
        ):
            npy.write_array_header_1_0(member, {"descr": "|u1", "fortran_order": False, "shape": (count, *shape)})
            yield lambda images: _write_all(member, images)
        return
    if shape[0] not in (1, 3):
        raise DataError(f"output must be an .npz file for images of {shape[0]} channels, got {shown(str(path))}")
    with _whole_folder(path) as folder:
        digits = max(_LEAST_DIGITS, len(str(count)))
        written = 0

        def write(images: Tensor) -> None:
            nonlocal written
            for image in images:
                written += 1
                pixels = image[0].numpy() if shape[0] == 1 else image.permute(1, 2, 0).contiguous().numpy()
                Image.fromarray(pixels).save(folder / f"{written:0{digits}d}.png")

        yield write


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A new file beside `path`, which takes its place when the block ends well, and else is removed.

    Raises:
        DataError: it cannot be written.
    """
    _check_place(path)
    if path.is_dir():
        raise DataError(f"output must be a file, got the folder {path}")
    try:
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(number, "wb") as file:
                yield file
            os.chmod(name, 0o666 & ~_umask())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _unwritable(path, error) from None


@contextmanager
def _whole_folder(path: Path) -> Iterator[Path]:
    _check_place(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise DataError(f"output must be an .npz file, or a folder that is not there yet or empty, got {path}")
    try:
        made = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        try:
            yield made
            made.chmod(0o777 & ~_umask())
            os.replace(made, path)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    except OSError as error:
        raise _unwritable(path, error) from None


def _check_place(path: Path) -> None:
    if not path.parent.is_dir():
        raise DataError(f"output must lie in an existing folder, got {shown(str(path))}")


def _unwritable(path: Path, error: OSError) -> DataError:
    return DataError(f"output cannot be written to {path}: {error.strerror or error}")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write_all(file: IO[bytes], images: Tensor) -> None:
    file.write(images.contiguous().numpy().tobytes())
