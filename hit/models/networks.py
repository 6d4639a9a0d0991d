"""The blocks that every model is composed of. All layers of all networks are made here."""

__all__ = [
    "DensePrior",
    "Heads",
    "Logits",
    "SplitHeads",
    "conv",
    "cropped",
    "down",
    "flat3",
    "flat3_up",
    "flat5",
    "folded",
    "image_layers",
    "linear",
    "padded",
    "perceptron",
    "relu",
    "up",
    "upconv",
    "vector_heads",
]

import math
from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn

from hit.distributions import Categorical, DiagonalGaussian, LatentDistribution
from hit.distributions.softplus import softplus
from hit.models.transposed import TransposedConvolution

#: Channels before the output of a GHVAE's mixture of logistics.
_WIDE = 128


def conv(inputs: int, outputs: int, kernel: int, stride: int, padding: int) -> nn.Module:
    """Convolution, kernel/stride/padding as in the papers' tables."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding)


def upconv(inputs: int, outputs: int, kernel: int, stride: int, padding: int, output_padding: int = 0) -> nn.Module:
    """Transposed convolution."""
    return TransposedConvolution(inputs, outputs, kernel, stride, padding, output_padding)


def relu() -> nn.Module:
    """ReLU, in place: every layer's output is read by it alone."""
    return nn.ReLU(inplace=True)


def linear(inputs: int, outputs: int) -> nn.Module:
    """Affine map of vectors."""
    return nn.Linear(inputs, outputs)


def perceptron(inputs: int, outputs: int) -> nn.Sequential:
    """Linear layer with ReLU."""
    return nn.Sequential(linear(inputs, outputs), relu())


def folded(layer: nn.Module) -> nn.Sequential:
    """A convolution with ReLU, its features flattened to a vector."""
    return nn.Sequential(layer, relu(), nn.Flatten())


def down(inputs: int, outputs: int) -> nn.Module:
    """Convolution 5/2/2: halves the side."""
    return conv(inputs, outputs, 5, 2, 2)


def up(inputs: int, outputs: int) -> nn.Module:
    """Transposed convolution 5/2/2 with output padding 1: doubles the side."""
    return upconv(inputs, outputs, 5, 2, 2, 1)


def flat3(inputs: int, outputs: int) -> nn.Module:
    """Convolution 3/1/1: keeps the side."""
    return conv(inputs, outputs, 3, 1, 1)


def flat3_up(inputs: int, outputs: int) -> nn.Module:
    """Transposed convolution 3/1/1: keeps the side, where a network decodes."""
    return upconv(inputs, outputs, 3, 1, 1)


def flat5(inputs: int, outputs: int) -> nn.Module:
    """Convolution 5/1/2: keeps the side."""
    return conv(inputs, outputs, 5, 1, 2)


def padded(padding: tuple[int, int, int, int]) -> list[nn.Module]:
    """Zeros to the left, right, top and bottom of an image; no layer where there are none."""
    return [nn.ZeroPad2d(padding)] if any(padding) else []


def cropped(padding: tuple[int, int, int, int]) -> list[nn.Module]:
    """The inverse of `padded`, at the end of a decoder."""
    left, right, top, bottom = padding
    return [nn.ZeroPad2d((-left, -right, -top, -bottom))] if any(padding) else []


class Heads(nn.Module):
    """Twin heads: mean(h), and softplus(scale(h)) as the standard deviation, shaped as the latent."""

    def __init__(self, mean: nn.Module, scale: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.mean = mean
        self.scale = scale
        self.shape = shape

    def forward(self, h: Tensor) -> DiagonalGaussian:
        batch = h.shape[0]
        return DiagonalGaussian(self.mean(h).view(batch, *self.shape), softplus(self.scale(h)).view(batch, *self.shape))


class SplitHeads(nn.Module):
    """Heads in one layer of 2c channels: the first c are the mean, softplus of the others the standard deviation.

    Args:
        layer: the heads.
        root: softplus gives the variance, whose root is the standard deviation.
    """

    def __init__(self, layer: nn.Module, *, root: bool = False) -> None:
        super().__init__()
        self.layer = layer
        self.root = root

    def forward(self, h: Tensor) -> DiagonalGaussian:
        mean, scale = self.layer(h).chunk(2, 1)
        std = softplus(scale)
        return DiagonalGaussian(mean, std.sqrt() if self.root else std)


class Logits(nn.Module):
    """Head of a categorical latent: linear → K logits."""

    def __init__(self, inputs: int, categories: int) -> None:
        super().__init__()
        self.layer = linear(inputs, categories)

    def forward(self, h: Tensor) -> Categorical:
        return Categorical(self.layer(h))


def vector_heads(inputs: int, dim: int, family: type[LatentDistribution]) -> nn.Module:
    """The head, or heads, of a latent that is a vector: `dim` dimensions, or as many categories."""
    if family is Categorical:
        return Logits(inputs, dim)
    return Heads(linear(inputs, dim), linear(inputs, dim), (dim,))


class DensePrior(nn.Module):
    """p(z_l|z_{l+1}) from a vector z_{l+1}: linear → hidden, ReLU, twin heads linear → z_l."""

    def __init__(self, above: int, hidden: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        size = math.prod(shape)
        self.hidden = linear(above, hidden)
        self.heads = Heads(linear(hidden, size), linear(hidden, size), shape)

    def forward(self, z_above: Tensor) -> DiagonalGaussian:
        return self.heads(F.relu(self.hidden(z_above)))  # type: ignore[no-any-return]


def image_layers(
    upscale: Callable[[int, int], nn.Module], channels: int, outputs: int, *, wide: bool
) -> list[nn.Module]:
    """The last layers of a decoder: c channels → the likelihood's output at twice the side.

    Args:
        upscale: makes the layer that doubles the side.
        channels: c.
        outputs: channels of the likelihood's output.
        wide: through 128 channels, and a convolution 3/1/1 after it.
    """
    if wide:
        return [upscale(channels, _WIDE), relu(), flat3(_WIDE, outputs)]
    return [upscale(channels, outputs)]
