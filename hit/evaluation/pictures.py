"""Images of what a model does, as PNG files.

Images of one channel are drawn in grey, those of three in colour. Of any other number, the channels of an image are
drawn in grey beside each other, the first one on the left, eight at most.
"""

__all__ = ["PICTURED", "drawn_channels", "reconstructions", "samples", "save_grid", "traversal"]

import math
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from hit.distributions import DiagonalGaussian, LatentDistribution
from hit.models import HierarchicalVAE

#: Images in a row, fewer of those whose channels are drawn beside each other: about so many pixels.
_COLUMNS = 10
_ROW_PIXELS = 400
#: A grid that is wider is not enlarged.
_WIDE_PIXELS = 3000
#: Grey level of the lines between images, and between channels.
_BETWEEN = 0.5
#: Channels of an image that are drawn, where they are neither grey nor colour.
_MOST_CHANNELS = 8
_IN_ONE = (1, 3)
#: Of PNG files, zlib's: a tenth larger than by default, in half of the time.
_COMPRESSION, _FILTERED = 4, 1
#: Test images that are drawn with their reconstructions.
PICTURED = 30
#: A traversal: dimensions of a vector or pairs of draws of a map, values of each, and how far a dimension is moved.
_DIMENSIONS, _PAIRS, _STEPS, _REACH = 10, 6, 9, 3.0


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
    columns = min(len(x), _columns(x))
    pairs = []
    for start in range(0, len(x), columns):
        own, back = x[start : start + columns], drawn[start : start + columns]
        gap = own.new_full((columns - len(own), *own.shape[1:]), _BETWEEN)
        pairs += [own, gap, back]
    return _grid(torch.cat(pairs), columns)


def samples(model: HierarchicalVAE, seed: int = 0, count: int = 50) -> Tensor:
    """A grid of mean images of samples from the prior; C × height × width in [0, 1]."""
    generator = torch.Generator(next(model.parameters()).device).manual_seed(seed)
    with torch.no_grad():
        drawn = model.generate(model.noise(count, generator))
    return _grid(drawn, _columns(drawn))


def traversal(model: HierarchicalVAE, layer: int, seed: int = 0) -> Tensor:
    """Mean images along paths of z_l through its prior, to see what z_l decides.

    Everything above is one draw from the prior, the same in the whole grid, and everything below is at its
    prior's mean. What is varied depends on z_l:

    - a vector: a row is one of its first 10 dimensions, moved from −3 to 3 standard deviations of the prior
      around its mean, while the others stay at the mean, as is usual since the β-VAE
      (https://openreview.net/forum?id=Sy2fzU9gl). A row that does not change is a dimension that is not used;
    - a map, whose single numbers change a few pixels: a row leads from one draw from the prior to another,
      μ + σ (a cos t + b sin t) for t from 0 to π/2, which at every t is a draw from the prior;
    - one of K categories: an image for each.

    Args:
        model: on its device.
        layer: l.
        seed: of the draws.

    Returns:
        C × height × width in [0, 1].
    """
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    noise = model.noise(1, generator)
    columns = _STEPS

    def choose(at: int, prior: LatentDistribution) -> Tensor:
        nonlocal columns
        if at > layer:
            return prior.sample(noise[at - 1])
        if at < layer:
            return prior.mean
        if isinstance(prior, DiagonalGaussian):
            return _paths(prior, generator)
        categories = model.latent_shapes[layer - 1][0]
        columns = min(categories, _COLUMNS)
        return torch.eye(categories, device=device)

    with torch.no_grad():
        drawn = model.descend(choose)
    return _grid(drawn, columns)


def drawn_channels(channels: int) -> int:
    """How many channels of an image pictures show."""
    return channels if channels in _IN_ONE else min(channels, _MOST_CHANNELS)


def save_grid(grid: Tensor, path: str | Path, scale: int = 2) -> Path:
    """Write a grid as PNG, every pixel `scale` pixels wide; of one that is very wide, one."""
    path = Path(path)
    scale = scale if grid.shape[-1] <= _WIDE_PIXELS else 1
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = grid.repeat_interleave(scale, 1).repeat_interleave(scale, 2).mul(255).add(0.5).to("cpu", torch.uint8)
    Image.fromarray(levels.permute(1, 2, 0).numpy()).save(path, compress_level=_COMPRESSION, compress_type=_FILTERED)
    return path


def _paths(prior: DiagonalGaussian, generator: torch.Generator) -> Tensor:
    """Rows of `_STEPS` latents each through a prior of batch 1."""
    shape = prior.mean.shape[1:]
    if len(shape) == 1:
        axes = torch.eye(shape[0], device=prior.mean.device)[:_DIMENSIONS, None]
        noise = axes * torch.linspace(-_REACH, _REACH, _STEPS, device=prior.mean.device)[None, :, None]
    else:
        start, end = torch.randn(2, _PAIRS, 1, *shape, generator=generator, device=prior.mean.device)
        turn = torch.linspace(0, math.pi / 2, _STEPS, device=prior.mean.device).view(1, -1, *(1 for _ in shape))
        noise = start * turn.cos() + end * turn.sin()
    return prior.sample(noise.flatten(0, 1))


def _grid(images: Tensor, columns: int) -> Tensor:
    """Images side by side, a line of one pixel around each; as torchvision's make_grid, which takes long to import."""
    shown = _beside(images).clamp(0, 1).expand(-1, 3, -1, -1)
    count, channels, height, width = shown.shape
    columns = min(columns, count)
    grid = shown.new_full(
        (channels, math.ceil(count / columns) * (height + 1) + 1, columns * (width + 1) + 1), _BETWEEN
    )
    for at, image in enumerate(shown):
        top, left = 1 + at // columns * (height + 1), 1 + at % columns * (width + 1)
        grid[:, top : top + height, left : left + width] = image
    return grid


def _beside(images: Tensor) -> Tensor:
    """Images that can be drawn: of channels that are no grey or colour, one grey image with all of them in a row."""
    channels = images.shape[1]
    if channels in _IN_ONE:
        return images
    parts = images[:, : drawn_channels(channels)].split(1, 1)
    line = images.new_full((*parts[0].shape[:3], 1), _BETWEEN)
    return torch.cat([parts[0], *(part for channel in parts[1:] for part in (line, channel))], 3)


def _columns(images: Tensor) -> int:
    channels, _, width = images.shape[1:]
    if channels in _IN_ONE:
        return _COLUMNS
    return max(1, min(_COLUMNS, _ROW_PIXELS // (width * drawn_channels(channels))))
