"""Convolutional z_2: a map of c × 4 × 4, over a z_1 of c × 8 × 8 (c × 16 × 16 for images of 64 pixels or more)."""

__all__ = ["ConvGeometry"]

from collections.abc import Callable

from torch import nn

from hit.distributions import DiagonalGaussian, LatentDistribution
from hit.models.geometry.image_sizes import ImageSize
from hit.models.geometry.latent_geometry import Geometry
from hit.models.networks import (
    SplitHeads,
    cropped,
    down,
    flat3,
    flat3_up,
    flat5,
    folded,
    image_layers,
    padded,
    perceptron,
    relu,
    up,
)
from hit.models.posteriors import JointPosterior


class ConvGeometry(Geometry):
    """Parts of the models with convolutional z_2 (after https://arxiv.org/abs/1809.02736).

    z_2 is the smallest map, T halvings below the image (`ImageSize`), and z_1 is S = ⌊2T/3⌋ below it. For 28 × 28 and
    32 × 32 pixels T is 3 and S 2, for 256 × 256 they are 6 and 4, the networks of the paper; 28 is padded to 32.

    Args:
        image_channels: C.
        size: of the images.
        channels: c.
    """

    def __init__(self, image_channels: int, size: ImageSize, channels: int) -> None:
        super().__init__(image_channels, size, channels)
        self._padding = size.padding(size.halvings)
        self._to_z1 = size.z1_halvings
        #: Halvings from z_1 to z_2, one or two.
        self._between = size.halvings - size.z1_halvings

    @property
    def z1_shape(self) -> tuple[int, ...]:
        return (self.channels, *self.size.map_sides(self._to_z1))

    def z2_shape(self, dim: int) -> tuple[int, ...]:
        return self.smallest

    def z1_prior(self, above: int, *, root: bool) -> nn.Module:
        """up c→c T − S − 1 times, up c→1.5c, ReLU after each, then heads, transposed 3/1/1 1.5c→2c."""
        c = self.channels
        wide = c + c // 2
        return nn.Sequential(
            *_repeated(self._between - 1, lambda: up(c, c)),
            *_active(up(c, wide)),
            SplitHeads(flat3_up(wide, 2 * c), root=root),
        )

    def decoder(self, outputs: int, *, wide: bool) -> nn.Module:
        """up c→c S − 1 times, ReLU after each, then up to the output."""
        c = self.channels
        hidden = _repeated(self._to_z1 - 1, lambda: up(c, c))
        return nn.Sequential(*hidden, *image_layers(up, c, outputs, wide=wide), *cropped(self._padding))

    def z1_features(self) -> nn.Module:
        """down C→c, down c→c S − 1 times, ReLU after each: of the sides of z_1."""
        return nn.Sequential(*self._halvings(self._to_z1))

    def z2_features(self) -> nn.Module:
        """down C→c, c→c …, T − 2 in all, 3/1/1 c→c, down c→3c, ReLU after each: twice the sides of z_2."""
        return nn.Sequential(*self._looked_at(self.size.halvings - 2), *_active(down(self.channels, 3 * self.channels)))

    def fold(self) -> nn.Module:
        return down(3 * self.channels, self.channels)

    def z1_posterior(self, above: int) -> nn.Module:
        """z_2: up c→c T − S times, transposed 3/1/1 c→c; on both as often 5/1/2 2c→2c, then heads 5/1/2 2c→2c."""
        c = self.channels
        # The order in which layers are made decides their first weights.
        mid = [*_repeated(self._between - 1, lambda: flat5(2 * c, 2 * c)), flat5(2 * c, 2 * c)]
        return JointPosterior(
            nn.Sequential(*_repeated(self._between, lambda: up(c, c))),
            nn.Sequential(*_active(flat3_up(c, c))),
            nn.Sequential(*mid),
            SplitHeads(flat5(2 * c, 2 * c)),
        )

    def z2_posterior(self, dim: int, above: int | None, family: type[LatentDistribution]) -> nn.Module:
        """Heads down 3c→2c; under a z_3, on both of linear to its shape, up c→c and the features 3/1/1 4c→3c."""
        assert above is not None or family is DiagonalGaussian, "a map of categories does not exist"
        c = self.channels
        heads = SplitHeads(down(3 * c, 2 * c))
        if above is None:
            return heads
        unfold = nn.Sequential(nn.Unflatten(1, self.z2_shape(dim)), *_active(up(c, c)))
        return JointPosterior(perceptron(above, self.flat), unfold, flat3(4 * c, 3 * c), heads)

    def ladder_features(self) -> nn.Module:
        """down C→c, c→c …, S − 1 in all, 3/1/1 c→c, ReLU after each: twice the sides of z_1."""
        return nn.Sequential(*self._looked_at(self._to_z1 - 1))

    def ladder_z1(self) -> tuple[nn.Module, nn.Module]:
        c = self.channels
        return nn.Sequential(*_active(down(c, 3 * c))), SplitHeads(flat5(3 * c, 2 * c))

    def ladder_climb(self, layers: int) -> list[nn.Module]:
        c = self.channels
        to_z2 = nn.Sequential(*_repeated(self._between - 1, lambda: down(c, c)), *_active(down(c, 3 * c)))
        to_z3 = [folded(self.fold())] if layers > 1 else []
        return [to_z2, *to_z3, *(perceptron(self.flat, self.flat) for _ in range(layers - 2))]

    def ladder_z2_heads(self, dim: int, family: type[LatentDistribution], *, top: bool) -> nn.Module:
        """Heads down 3c→2c. Below the top, a ladder takes softplus for the variance without taking its root."""
        return SplitHeads(down(3 * self.channels, 2 * self.channels), root=top)

    def _looked_at(self, halvings: int) -> list[nn.Module]:
        """The image, halved so often, after a convolution 3/1/1 of it."""
        inputs = self.channels if halvings else self.image_channels
        return [*self._halvings(halvings), *_active(flat3(inputs, self.channels))]

    def _halvings(self, count: int) -> list[nn.Module]:
        c = self.channels
        inputs = [self.image_channels, *(c for _ in range(count - 1))][:count]
        return [*padded(self._padding), *(layer for channels in inputs for layer in _active(down(channels, c)))]


def _active(layer: nn.Module) -> list[nn.Module]:
    return [layer, relu()]


def _repeated(count: int, make: Callable[[], nn.Module]) -> list[nn.Module]:
    return [layer for _ in range(count) for layer in _active(make())]
