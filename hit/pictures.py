"""Images of what a model does, as PNG files."""

__all__ = ["PICTURED", "reconstructions", "samples", "save_grid"]

from pathlib import Path

import torch
from torch import Tensor
from torchvision.utils import make_grid, save_image

from hit.models import HierarchicalVAE

_COLUMNS = 10
#: Test images that are drawn with their reconstructions.
PICTURED = 30


def reconstructions(model: HierarchicalVAE, images: Tensor) -> Tensor:
    """Rows of images, each above its reconstruction from posterior means.

    Args:
        model: on its device.
        images: uint8, N × C × H × W; the first `PICTURED` are drawn.

    Returns:
        C × height × width in [0, 1].
    """
    x = model.prepare(images[:PICTURED])
    with torch.no_grad():
        drawn = model.reconstruct(model(x, sample=False))
    pairs = []
    for start in range(0, len(x), _COLUMNS):
        pairs += [x[start : start + _COLUMNS], drawn[start : start + _COLUMNS]]
    return _grid(torch.cat(pairs))


def samples(model: HierarchicalVAE, seed: int = 0, count: int = 50) -> Tensor:
    """A grid of mean images of samples from the prior; C × height × width in [0, 1]."""
    generator = torch.Generator(next(model.parameters()).device).manual_seed(seed)
    with torch.no_grad():
        drawn = model.generate(model.noise(count, generator))
    return _grid(drawn)


def save_grid(grid: Tensor, path: Path, scale: int = 2) -> Path:
    """Write a grid as PNG, every pixel `scale` pixels wide."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_image(grid.repeat_interleave(scale, 1).repeat_interleave(scale, 2), path)
    return path


def _grid(images: Tensor) -> Tensor:
    grid: Tensor = make_grid(images.clamp(0, 1), nrow=_COLUMNS, padding=1, pad_value=0.5)
    return grid
