"""The very deep top-down VAE: maps of latents at several resolutions, each layer seeing all that was drawn above it."""

__all__ = ["DeepInference", "ResidualState", "deep"]

import math
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hit.config import TrainConfig
from hit.config.latent_maps import DeepOptions, LatentMap
from hit.distributions import DiagonalGaussian, LatentDistribution, Likelihood
from hit.distributions.softplus import softplus
from hit.errors import ConfigError
from hit.models.hierarchy import HierarchicalVAE, Inference, TopDownState
from hit.models.networks import conv, upconv
from hit.models.residual_blocks import Bottleneck, ResidualBlock, middle, resized

#: What is added before softplus, so that a head that says nothing means a standard deviation of 1.
_ONE = math.log(math.e - 1)
#: Maps of more positions than this have no numbers of their own for each of them.
_MOST_POSITIONS = 1024


def deep(
    image_shape: tuple[int, ...], likelihood: Likelihood, options: DeepOptions, config: TrainConfig
) -> HierarchicalVAE:
    """`model=deep`: a model after https://arxiv.org/abs/2011.10650, for images of any size.

    The image, with a border of zeros where z_1's map does not become as large as it by doublings, is halved down to
    z_1's map. From there one pass upwards of residual blocks gives the features that all layers of one resolution
    share. On the way down a sum takes in every z_l: z_l's prior sees it, its posterior sees it beside the features, and
    at the end it is doubled up to the image, whose border is cut off.

    Args:
        image_shape: (C, H, W).
        likelihood: p(x|z_1).
        options: maps of the latents.
        config: has c, the channels of every feature map; bottlenecks have half as many.

    Raises:
        ConfigError: z_1's map is larger than the image, or the data are vectors.
    """
    if len(image_shape) == 1:
        raise ConfigError("model must be ghvae, lvae or vae where the data are vectors, got 'deep'")
    image_channels, height, width = image_shape
    channels = config.channels
    shapes = tuple(reversed(options.maps))  # z_1 … z_L
    lowest = shapes[0]
    if lowest.height > height or lowest.width > width:
        raise ConfigError(
            f"model.latents must have maps no larger than images of {height}×{width} pixels, got {lowest}"
        )
    doublings = max(math.ceil(math.log2(height / lowest.height)), math.ceil(math.log2(width / lowest.width)))
    border = _Border(height, width, lowest.height << doublings, lowest.width << doublings)
    priors = [_Prior(one, channels) for one in shapes[:-1]]
    decoder = nn.Sequential(
        ResidualBlock(channels, 1, flat=_flat(lowest)),
        nn.GELU(),
        *(layer for _ in range(doublings) for layer in (upconv(channels, channels, 4, 2, 1), nn.GELU())),
        conv(channels, likelihood.outputs(image_channels), 3, 1, 1),
        _Crop(border),
    )
    return HierarchicalVAE(
        DeepInference(image_channels, border, doublings, shapes, channels),
        priors,
        decoder,
        likelihood,
        [(one.channels, one.height, one.width) for one in shapes],
        state=ResidualState(shapes, channels),
    )


class DeepInference(Inference):
    """Posteriors of a deep model, said in units of the prior: N(μ_p + σ_p m, (σ_p s)²).

    Args:
        image_channels: C.
        border: around the image.
        doublings: from z_1's map to the image with its border.
        shapes: maps of z_1, …, z_L.
        channels: c.
    """

    def __init__(
        self, image_channels: int, border: "_Border", doublings: int, shapes: Sequence[LatentMap], channels: int
    ) -> None:
        super().__init__()
        self._border = border
        self._shapes = shapes
        first = conv(image_channels, channels, 4, 2, 1) if doublings else conv(image_channels, channels, 3, 1, 1)
        further = [(nn.GELU(), conv(channels, channels, 4, 2, 1)) for _ in range(doublings - 1)]
        self.stem = nn.Sequential(first, *(layer for pair in further for layer in pair))
        self.climb = nn.ModuleList(ResidualBlock(channels, len(shapes), flat=_flat(one)) for one in shapes)
        self.levels = nn.ModuleList(
            Bottleneck(inputs * channels, middle(channels), 2 * one.channels, flat=_flat(one))
            for one, inputs in zip(shapes, [2] * (len(shapes) - 1) + [1], strict=True)
        )

    def evidence(self, x: Tensor) -> tuple[Tensor | LatentDistribution, ...]:
        features: dict[tuple[int, int], Tensor] = {}
        h = self.stem(self._border.added(x))
        for one, block in zip(self._shapes, self.climb, strict=True):
            h = block(resized(h, one.height, one.width))
            features[one.height, one.width] = h
        return tuple(features[one.height, one.width] for one in self._shapes)

    def posterior(
        self,
        layer: int,
        evidence: Tensor | LatentDistribution,
        above: Tensor | None,
        prior: LatentDistribution | None,
    ) -> LatentDistribution:
        assert isinstance(evidence, Tensor)
        level = self.levels[layer - 1]
        own = _gaussian(level(evidence if above is None else torch.cat([above, evidence], 1)))
        if prior is None:
            return own
        assert isinstance(prior, DiagonalGaussian)
        return DiagonalGaussian(torch.addcmul(prior.mean, prior.std, own.mean), prior.std * own.std)


class ResidualState(TopDownState):
    """A sum that every z_l adds to, through a residual block, brought to the map of the layer below.

    Args:
        shapes: maps of z_1, …, z_L.
        channels: c.
    """

    def __init__(self, shapes: Sequence[LatentMap], channels: int) -> None:
        super().__init__()
        self._shapes = shapes
        self.added = nn.ModuleList(conv(one.channels, channels, 1, 1, 0) for one in shapes)
        self.blocks = nn.ModuleList(ResidualBlock(channels, len(shapes), flat=_flat(one)) for one in shapes)
        sides = dict.fromkeys((one.height, one.width) for one in shapes if one.height * one.width <= _MOST_POSITIONS)
        self.positions = nn.ParameterDict(
            {f"{height}x{width}": nn.Parameter(torch.zeros(1, channels, height, width)) for height, width in sides}
        )
        with torch.no_grad():
            for layer in self.added:
                assert isinstance(layer, nn.Conv2d)
                layer.weight.mul_(1 / math.sqrt(len(shapes)))

    def forward(self, layer: int, above: Tensor | None, z: Tensor) -> Tensor:
        added = self.added[layer - 1](z)
        h = self._placed(layer, added) if above is None else above + added
        h = cast(Tensor, self.blocks[layer - 1](h))
        if layer == 1:
            return h
        here, below = self._shapes[layer - 1], self._shapes[layer - 2]
        if (here.height, here.width) == (below.height, below.width):
            return h
        return self._placed(layer - 1, resized(h, below.height, below.width))

    def _placed(self, layer: int, h: Tensor) -> Tensor:
        """With what is known of every position: maps that are repeated look alike everywhere."""
        one = self._shapes[layer - 1]
        name = f"{one.height}x{one.width}"
        return h + self.positions[name] if name in self.positions else h


class _Prior(nn.Module):
    """p(z_l|state)."""

    def __init__(self, shape: LatentMap, channels: int) -> None:
        super().__init__()
        self.network = Bottleneck(channels, middle(channels), 2 * shape.channels, flat=_flat(shape))

    def forward(self, above: Tensor) -> DiagonalGaussian:
        return _gaussian(self.network(above))


class _Border:
    """Zeros around images that make them as large as maps become by doublings."""

    def __init__(self, height: int, width: int, padded_height: int, padded_width: int) -> None:
        rows, columns = padded_height - height, padded_width - width
        self._pad = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
        self._height, self._width = height, width

    def added(self, x: Tensor) -> Tensor:
        """The images with it."""
        return F.pad(x, self._pad) if any(self._pad) else x

    def removed(self, x: Tensor) -> Tensor:
        """What lies inside of it."""
        left, _, top, _ = self._pad
        return x[..., top : top + self._height, left : left + self._width]


class _Crop(nn.Module):
    """Takes the border away."""

    def __init__(self, border: _Border) -> None:
        super().__init__()
        self._border = border

    def forward(self, x: Tensor) -> Tensor:
        return self._border.removed(x)


def _gaussian(h: Tensor) -> DiagonalGaussian:
    """Of a head's output: one half is the mean, softplus of the other the standard deviation, 1 where it is 0."""
    mean, scale = h.chunk(2, 1)
    return DiagonalGaussian(mean, softplus(scale + _ONE))


def _flat(shape: LatentMap) -> bool:
    return shape.height == shape.width == 1
