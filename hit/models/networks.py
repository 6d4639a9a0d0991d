"""The blocks that every model is composed of. All layers of all networks are made here."""

__all__ = [
    "DenseDecoder",
    "DenseFeatures",
    "DensePrior",
    "Geometry",
    "Heads",
    "conv",
    "down",
    "linear",
    "perceptron",
    "relu",
    "up",
    "upconv",
]

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from hit.distributions import DiagonalGaussian
from hit.models.transposed import TransposedConvolution


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


def down(inputs: int, outputs: int) -> nn.Module:
    """Convolution 5/2/2: halves the side."""
    return conv(inputs, outputs, 5, 2, 2)


def up(inputs: int, outputs: int) -> nn.Module:
    """Transposed convolution 5/2/2 with output padding 1: doubles the side."""
    return upconv(inputs, outputs, 5, 2, 2, 1)


@dataclass(frozen=True)
class Geometry:
    """Sizes of the dense-z models: two halvings of the image, then "mid", which ends at 4 × 4.

    Args:
        image_channels: C.
        side: 28 or 32 pixels; mid is 4/1/0 (7 → 4) at 28 and 4/2/1 (8 → 4) at 32.
        channels: c.
    """

    image_channels: int
    side: int
    channels: int

    @property
    def flat(self) -> int:
        """Numbers in c × 4 × 4."""
        return 16 * self.channels

    @property
    def z1_shape(self) -> tuple[int, int, int]:
        """Shape of z_1: c × 4 × 4."""
        return (self.channels, 4, 4)

    def mid(self, inputs: int) -> nn.Module:
        """The convolution that ends at 4 × 4."""
        return conv(inputs, self.channels, 4, *self._mid_stride_padding)

    def mid_up(self) -> nn.Module:
        """The transposed convolution that starts at 4 × 4."""
        return upconv(self.channels, self.channels, 4, *self._mid_stride_padding)

    @property
    def _mid_stride_padding(self) -> tuple[int, int]:
        return (1, 0) if self.side == 28 else (2, 1)


class Heads(nn.Module):
    """Twin heads: mean(h), and softplus(scale(h)) as the standard deviation, shaped as the latent."""

    def __init__(self, mean: nn.Module, scale: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.mean = mean
        self.scale = scale
        self.shape = shape

    def forward(self, h: Tensor) -> DiagonalGaussian:
        batch = h.shape[0]
        return DiagonalGaussian(
            self.mean(h).view(batch, *self.shape), F.softplus(self.scale(h)).view(batch, *self.shape)
        )


class DenseFeatures(nn.Sequential):
    """x → ReLU features of c × side/4 × side/4: conv 4/2/1 C→c, conv 4/2/1 c→c."""

    def __init__(self, geometry: Geometry) -> None:
        c = geometry.channels
        super().__init__(conv(geometry.image_channels, c, 4, 2, 1), relu(), conv(c, c, 4, 2, 1), relu())


class DensePrior(nn.Module):
    """p(z_l|z_{l+1}) from a vector z_{l+1}: linear → 8c, ReLU, twin heads linear → z_l."""

    def __init__(self, above: int, channels: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        size = 1
        for side in shape:
            size *= side
        self.hidden = linear(above, 8 * channels)
        self.heads = Heads(linear(8 * channels, size), linear(8 * channels, size), shape)

    def forward(self, z_above: Tensor) -> DiagonalGaussian:
        return self.heads(F.relu(self.hidden(z_above)))  # type: ignore[no-any-return]


class DenseDecoder(nn.Sequential):
    """z_1 of c × 4 × 4 → the likelihood's output: transposed mid c→c, transposed 4/2/1 c→c and c→C."""

    def __init__(self, geometry: Geometry) -> None:
        c = geometry.channels
        super().__init__(
            geometry.mid_up(),
            relu(),
            upconv(c, c, 4, 2, 1),
            relu(),
            upconv(c, geometry.image_channels, 4, 2, 1),
        )


def perceptron(inputs: int, outputs: int) -> nn.Sequential:
    """Linear layer with ReLU."""
    return nn.Sequential(linear(inputs, outputs), relu())
