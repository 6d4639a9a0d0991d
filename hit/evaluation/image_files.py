"""What image files take beside a model: JPEG, WebP and PNG of the same images, tiled into one."""

__all__ = ["FilePoint", "lossy_files", "mosaic", "png_bits"]

import io
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class FilePoint:
    """One setting of one format.

    Attributes:
        bits: per image: of the whole file, header and all, shared by the images in it.
        psnr: dB, of the images as the file gives them back; None where they are the same.
    """

    bits: float
    psnr: float | None


def mosaic(images: Pixels) -> Pixels:
    """Images side by side in about a square: a header, some hundred bytes, is more than a small image takes.

    Args:
        images: N × C × H × W; of C other than 1 and 3, channels stand under each other.

    Returns:
        height × width, or height × width × 3.
    """
    if images.shape[1] != 3:
        images = images.reshape(len(images), 1, -1, images.shape[3])
    count, channels, height, width = images.shape
    across = max(1, round(math.sqrt(count * height / width)))
    down = math.ceil(count / across)
    padded = np.zeros((across * down, channels, height, width), np.uint8)
    padded[:count] = images
    tiled = padded.reshape(down, across, channels, height, width).transpose(0, 3, 1, 4, 2)
    tiled = tiled.reshape(down * height, across * width, channels)
    return tiled[..., 0] if channels == 1 else tiled


def lossy_files(images: Pixels, file_format: str, quality: int) -> FilePoint:
    """A mosaic of images by Pillow as JPEG or WebP.

    Args:
        images: N × C × H × W.
        file_format: as Pillow calls it.
        quality: 0 to 100, as the format takes it.
    """
    tiled = mosaic(images)
    data = _written(tiled, file_format, quality=quality)
    back = np.asarray(Image.open(io.BytesIO(data)).convert("RGB" if tiled.ndim == 3 else "L"))
    # Padding comes back black, more or less: what it adds to the sum is none of the images'.
    error = (_cut(back, images.shape).astype(np.float64) - _cut(tiled, images.shape)) / 255
    mean = float(np.square(error).mean())
    return FilePoint(8 * len(data) / len(images), -10 * math.log10(mean) if mean else None)


def png_bits(images: Pixels) -> float:
    """Bits per image of a mosaic as PNG, which loses nothing; of two levels, with one bit a pixel."""
    tiled = mosaic(images)
    if tiled.ndim == 2 and np.isin(tiled, (0, 255)).all():
        return 8 * len(_written(tiled > 0, "PNG", optimize=True)) / len(images)
    return 8 * len(_written(tiled, "PNG", optimize=True)) / len(images)


def _written(pixels: NDArray[np.generic], file_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, file_format, **options)
    return file.getvalue()


def _cut(tiled: Pixels, shape: tuple[int, ...]) -> Pixels:
    """The first N images of a mosaic again, N × rows × columns × channels."""
    count, channels, height, width = shape
    rows = height if channels == 3 else channels * height
    grid = tiled.reshape(tiled.shape[0] // rows, rows, tiled.shape[1] // width, width, -1)
    return grid.transpose(0, 2, 1, 3, 4).reshape(-1, rows, width, grid.shape[-1])[:count]
