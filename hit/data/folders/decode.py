"""From an image file to 8-bit pixels: whole, or as a square crop."""

__all__ = ["Pixels", "image_size", "read_colour", "read_square", "read_whole"]

import contextlib
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from hit.data.error_text import reason
from hit.errors import DataError

#: Pillow's modes of 8 bits or fewer. Transparency is dropped, as torchvision's loader does; a palette is of colours.
_GREY, _COLOUR = ("1", "L", "LA"), ("CMYK", "P", "PA", "RGB", "RGBA", "YCbCr")
_ORIENTATION = 0x0112  # of EXIF; 1 is upright; of some, width and height change places
_LYING = range(5, 9)

Pixels = NDArray[np.uint8]


def image_size(path: str) -> tuple[int, int]:
    """Width and height in pixels that a file's header tells, upright as EXIF says.

    Raises:
        DataError: the file cannot be read as an image.
    """
    with _opened(path) as image:
        lies = "exif" in image.info and image.getexif().get(_ORIENTATION, 1) in _LYING
        return image.size[::-1] if lies else image.size


def read_whole(path: str) -> Pixels:
    """Pixels of a file: H×W (grey) or H×W×3 (RGB), upright as EXIF says.

    Raises:
        DataError: the file cannot be read, or has more than 8 bits a channel.
    """
    with _opened(path) as image:
        grey = _mode(path, image) in _GREY
        return np.asarray(_upright(image).convert("L" if grey else "RGB"))


def read_colour(path: str, height: int, width: int) -> Pixels:
    """RGB pixels of a file of a known size, height×width×3.

    Raises:
        DataError: the file cannot be read, has more than 8 bits a channel, or another size.
    """
    pixels = read_whole(path)
    if pixels.shape[:2] != (height, width):
        raise DataError(
            f"all images must have one size where crop is 0, {width}×{height} pixels, but {path} is "
            f"{pixels.shape[1]}×{pixels.shape[0]}"
        )
    return pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)


def read_square(path: str, side: int, position: float | None) -> Pixels:
    """RGB pixels of a square of a file, side×side×3, upright as EXIF says.

    The square is as large as the image allows, its side being the image's shorter side, and is then
    scaled to `side` (bilinear, averaging over what a pixel covers): what is left to choose is where it
    lies along the longer side. An image whose shorter side is `side` is cropped pixel by pixel. A JPEG at
    least four times as large is decoded at a half, a quarter or an eighth, as is usual for thumbnails.

    Args:
        path: the file.
        side: of the square wanted, pixels.
        position: in [0, 1), from the left or upper to the right or lower end; None: the centre.

    Raises:
        DataError: the file cannot be read, or has more than 8 bits a channel.
    """
    with _opened(path) as image:
        _mode(path, image)
        image.draft(None, (2 * side, 2 * side))
        whole = _upright(image)
        if whole.mode not in ("L", "RGB"):
            whole = whole.convert("RGB")
        width, height = whole.size
        short, slack = min(width, height), abs(width - height)
        offset = slack // 2 if position is None else int(position * (slack + 1))
        left, top = (offset, 0) if width > height else (0, offset)
        box = (left, top, left + short, top + short)
        square = whole.resize((side, side), Image.Resampling.BILINEAR, box=box)
        return np.asarray(square.convert("RGB"))


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Image.Image]:
    """An image file; whatever goes wrong with it, here or in the block, is one DataError that names it."""
    try:
        # Pillow warns of damaged EXIF data, which many photographs have, on stderr.
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            yield image
    except DataError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever a damaged file leads them to
        raise DataError(f"{path} cannot be read as an image: {reason(error)}") from error


def _mode(path: str, image: Image.Image) -> str:
    if image.mode not in _GREY + _COLOUR:
        raise DataError(f"{path} must be grey or RGB with 8 bits, got Pillow's mode {image.mode}{_hint(image.mode)}")
    return image.mode


def _hint(mode: str) -> str:
    return " (16 bits or more: scale it to levels from 0 to 255 first)" if mode[0] in "IF" else ""


def _upright(image: Image.Image) -> Image.Image:
    if image.getexif().get(_ORIENTATION, 1) != 1:
        ImageOps.exif_transpose(image, in_place=True)
    return image
