"""Dense z_2: a vector, between the smallest maps of features, 4 × 4 places of most sizes."""

__all__ = ["DenseGeometry"]

import math

from torch import nn

from hit.distributions import LatentDistribution
from hit.models.geometry.image_sizes import ImageSize
from hit.models.geometry.latent_geometry import Geometry
from hit.models.networks import (
    DensePrior,
    Heads,
    conv,
    cropped,
    flat3,
    folded,
    image_layers,
    linear,
    padded,
    perceptron,
    relu,
    upconv,
    vector_heads,
)
from hit.models.posteriors import JointPosterior


class DenseGeometry(Geometry):
    """Parts of the models with dense z_2: T − 1 halvings of the image, then "mid", which ends at the smallest map.

    Both latents lie there, T halvings below the image: z_1 as a map of c × 4 × 4 at most sizes, whose weights from z_2
    are linear ones and would grow with the square of its places. Larger maps of z_1 are `ConvGeometry`'s.

    Args:
        image_channels: C.
        size: of the images. mid is 4/2/1, which halves; of 28 × 28 pixels, which are not padded, 4/1/0 (7 → 4).
        channels: c.
        linear_z1: dimensions of a z_1 that is a vector; 0 for one that is the smallest map.
    """

    def __init__(self, image_channels: int, size: ImageSize, channels: int, linear_z1: int = 0) -> None:
        super().__init__(image_channels, size, channels)
        self.linear_z1 = linear_z1
        self._papers_28 = (size.height, size.width) == (28, 28)
        self._padding = (0, 0, 0, 0) if self._papers_28 else size.padding(size.halvings)

    @property
    def z1_shape(self) -> tuple[int, ...]:
        return (self.linear_z1,) if self.linear_z1 else self.smallest

    def z2_shape(self, dim: int) -> tuple[int, ...]:
        return (dim,)

    def z1_prior(self, above: int, *, root: bool) -> nn.Module:
        return DensePrior(above, max(1, math.prod(self.z1_shape) // 2), self.z1_shape)

    def decoder(self, outputs: int, *, wide: bool) -> nn.Module:
        """Transposed mid (or, of a vector, linear), transposed 4/2/1 c→c T − 2 times, then 4/2/1 to the output."""
        c = self.channels
        first: nn.Module = self._mid_up()
        if self.linear_z1:
            shape = (c, 7, 7) if self._papers_28 else (c, *self.size.map_sides(self.size.halvings - 1))
            first = nn.Sequential(linear(self.linear_z1, math.prod(shape)), nn.Unflatten(1, shape))
        hidden = [layer for _ in range(self.size.halvings - 2) for layer in (_double(c, c), relu())]
        output = image_layers(_double, c, outputs, wide=wide)
        return nn.Sequential(first, relu(), *hidden, *output, *cropped(self._padding))

    def z1_features(self) -> nn.Module:
        """C→c, then c→c T − 2 times, conv 4/2/1 with ReLU after each: twice the sides of the smallest map."""
        c = self.channels
        inputs = [self.image_channels, *(c for _ in range(self.size.halvings - 2))]
        halvings = [layer for channels in inputs for layer in (conv(channels, c, 4, 2, 1), relu())]
        return nn.Sequential(*padded(self._padding), *halvings)

    def z2_features(self) -> nn.Module:
        return self.z1_features()

    def fold(self) -> nn.Module:
        return self._mid(self.channels)

    def z1_posterior(self, above: int) -> nn.Module:
        c = self.channels
        return JointPosterior(
            perceptron(above, self.flat),
            nn.Sequential(nn.Unflatten(1, self.smallest), self._mid_up(), relu()),
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
        """The convolution that ends at the smallest map."""
        return conv(inputs, self.channels, 4, *self._mid_stride_padding)

    def _mid_up(self) -> nn.Module:
        """The transposed convolution that starts there."""
        return upconv(self.channels, self.channels, 4, *self._mid_stride_padding)

    @property
    def _mid_stride_padding(self) -> tuple[int, int]:
        return (1, 0) if self._papers_28 else (2, 1)


def _double(inputs: int, outputs: int) -> nn.Module:
    """Transposed convolution 4/2/1: doubles the side."""
    return upconv(inputs, outputs, 4, 2, 1)
