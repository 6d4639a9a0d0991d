"""Dense z_2: a vector, between feature maps of 4 × 4 pixels."""

__all__ = ["DenseGeometry"]

import math

from torch import nn

from hit.distributions import LatentDistribution
from hit.models.latent_geometry import Geometry
from hit.models.networks import (
    DensePrior,
    Heads,
    conv,
    flat3,
    folded,
    image_layers,
    linear,
    perceptron,
    relu,
    upconv,
    vector_heads,
)
from hit.models.posteriors import JointPosterior


class DenseGeometry(Geometry):
    """Parts of the models with dense z_2: two halvings of the image, then "mid", which ends at 4 × 4.

    Args:
        image_channels: C.
        side: 28 or 32 pixels; mid is 4/1/0 (7 → 4) at 28 and 4/2/1 (8 → 4) at 32.
        channels: c.
        linear_z1: dimensions of a z_1 that is a vector; 0 for one of c × 4 × 4.
    """

    def __init__(self, image_channels: int, side: int, channels: int, linear_z1: int = 0) -> None:
        super().__init__(image_channels, side, channels)
        self.linear_z1 = linear_z1

    @property
    def z1_shape(self) -> tuple[int, ...]:
        return (self.linear_z1,) if self.linear_z1 else (self.channels, 4, 4)

    def z2_shape(self, dim: int) -> tuple[int, ...]:
        return (dim,)

    def z1_prior(self, above: int, *, root: bool) -> nn.Module:
        return DensePrior(above, max(1, math.prod(self.z1_shape) // 2), self.z1_shape)

    def decoder(self, outputs: int, *, wide: bool) -> nn.Module:
        """Transposed mid (or, of a vector, linear), transposed 4/2/1 c→c, transposed 4/2/1 to the output."""
        c, quarter = self.channels, self.side // 4
        first: nn.Module = self._mid_up()
        if self.linear_z1:
            first = nn.Sequential(linear(self.linear_z1, c * quarter * quarter), nn.Unflatten(1, (c, quarter, quarter)))
        return nn.Sequential(first, relu(), _double(c, c), relu(), *image_layers(_double, c, outputs, wide=wide))

    def z1_features(self) -> nn.Module:
        """C→c, c→c, conv 4/2/1 with ReLU after each: c × side/4 × side/4."""
        c = self.channels
        return nn.Sequential(conv(self.image_channels, c, 4, 2, 1), relu(), conv(c, c, 4, 2, 1), relu())

    def z2_features(self) -> nn.Module:
        return self.z1_features()

    def fold(self) -> nn.Module:
        return self._mid(self.channels)

    def z1_posterior(self, above: int) -> nn.Module:
        c = self.channels
        return JointPosterior(
            perceptron(above, self.flat),
            nn.Sequential(nn.Unflatten(1, (c, 4, 4)), self._mid_up(), relu()),
            self._mid(2 * c),
            self._z1_heads(),
        )

    def z2_posterior(self, dim: int, above: int | None, family: type[LatentDistribution]) -> nn.Module:
        return self.dense_posterior(dim, above, family)

    def ladder_features(self) -> nn.Module:
        return self.z1_features()

    def ladder_z1(self) -> tuple[nn.Module, nn.Module]:
        return nn.Sequential(self._mid(self.channels), relu()), self._z1_heads()

    def ladder_climb(self, layers: int) -> list[nn.Module]:
        return [folded(self.fold()), *(perceptron(self.flat, self.flat) for _ in range(layers - 1))]

    def ladder_z2_heads(self, dim: int, family: type[LatentDistribution], *, top: bool) -> nn.Module:
        return vector_heads(self.flat, dim, family)

    def _z1_heads(self) -> nn.Module:
        c, n = self.channels, self.linear_z1
        if n:
            return nn.Sequential(nn.Flatten(), Heads(linear(self.flat, n), linear(self.flat, n), self.z1_shape))
        return Heads(flat3(c, c), flat3(c, c), self.z1_shape)

    def _mid(self, inputs: int) -> nn.Module:
        """The convolution that ends at 4 × 4."""
        return conv(inputs, self.channels, 4, *self._mid_stride_padding)

    def _mid_up(self) -> nn.Module:
        """The transposed convolution that starts at 4 × 4."""
        return upconv(self.channels, self.channels, 4, *self._mid_stride_padding)

    @property
    def _mid_stride_padding(self) -> tuple[int, int]:
        return (1, 0) if self.side == 28 else (2, 1)


def _double(inputs: int, outputs: int) -> nn.Module:
    """Transposed convolution 4/2/1: doubles the side."""
    return upconv(inputs, outputs, 4, 2, 1)
