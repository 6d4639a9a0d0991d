"""Convolutional z_2: a map of c × 4 × 4, under a z_1 of c × 8 × 8 (c × 16 × 16 for images of 256 pixels)."""

__all__ = ["ConvGeometry"]

from torch import nn

from hit.distributions import DiagonalGaussian, LatentDistribution
from hit.models.latent_geometry import Geometry
from hit.models.networks import (
    SplitHeads,
    down,
    flat3,
    flat3_up,
    flat5,
    folded,
    image_layers,
    perceptron,
    relu,
    up,
)
from hit.models.posteriors import JointPosterior


class ConvGeometry(Geometry):
    """Parts of the models with convolutional z_2 (after https://arxiv.org/abs/1809.02736).

    Args:
        image_channels: C.
        side: 28 pixels (padded with zeros to 32, and cropped again when decoded), 32, or 256, where further
            layers halve and double (GHVAE only).
        channels: c.
    """

    def __init__(self, image_channels: int, side: int, channels: int) -> None:
        super().__init__(image_channels, side, channels)
        self.border = 2 if side == 28 else 0
        self.large = side == 256

    @property
    def z1_shape(self) -> tuple[int, ...]:
        side = 16 if self.large else 8
        return (self.channels, side, side)

    def z2_shape(self, dim: int) -> tuple[int, ...]:
        return (self.channels, 4, 4)

    def z1_prior(self, above: int, *, root: bool) -> nn.Module:
        """[up c→c,] up c→1.5c, ReLU after each, then heads, transposed 3/1/1 1.5c→2c."""
        c = self.channels
        wide = c + c // 2
        return nn.Sequential(
            *(_active(up(c, c)) if self.large else []),
            *_active(up(c, wide)),
            SplitHeads(flat3_up(wide, 2 * c), root=root),
        )

    def decoder(self, outputs: int, *, wide: bool) -> nn.Module:
        """[up c→c twice,] up c→c, ReLU after each, then up to the output."""
        c = self.channels
        doublings = 3 if self.large else 1
        hidden = [layer for _ in range(doublings) for layer in _active(up(c, c))]
        crop = [nn.ZeroPad2d(-self.border)] if self.border else []
        return nn.Sequential(*hidden, *image_layers(up, c, outputs, wide=wide), *crop)

    def z1_features(self) -> nn.Module:
        """down C→c, down c→c [twice more], ReLU after each: c × 8 × 8, or c × 16 × 16."""
        return nn.Sequential(*self._halvings(4 if self.large else 2))

    def z2_features(self) -> nn.Module:
        """down C→c [down c→c three times], 3/1/1 c→c, down c→3c, ReLU after each: 3c × 8 × 8."""
        c = self.channels
        return nn.Sequential(*self._halvings(4 if self.large else 1), *_active(flat3(c, c)), *_active(down(c, 3 * c)))

    def fold(self) -> nn.Module:
        return down(3 * self.channels, self.channels)

    def z1_posterior(self, above: int) -> nn.Module:
        """z_2: up c→c [twice], transposed 3/1/1 c→c; on both 5/1/2 2c→2c [twice], then heads 5/1/2 2c→2c."""
        c = self.channels
        doublings = 2 if self.large else 1
        mid = [*_active(flat5(2 * c, 2 * c)), flat5(2 * c, 2 * c)] if self.large else [flat5(2 * c, 2 * c)]
        return JointPosterior(
            nn.Sequential(*(layer for _ in range(doublings) for layer in _active(up(c, c)))),
            nn.Sequential(*_active(flat3_up(c, c))),
            nn.Sequential(*mid),
            SplitHeads(flat5(2 * c, 2 * c)),
        )

    def z2_posterior(self, dim: int, above: int | None, family: type[LatentDistribution]) -> nn.Module:
        """Heads down 3c→2c; under a z_3, on both of linear d→16c, up c→c and the features, by way of 3/1/1 4c→3c."""
        assert above is not None or family is DiagonalGaussian, "a map of categories does not exist"
        c = self.channels
        heads = SplitHeads(down(3 * c, 2 * c))
        if above is None:
            return heads
        unfold = nn.Sequential(nn.Unflatten(1, self.z2_shape(dim)), *_active(up(c, c)))
        return JointPosterior(perceptron(above, self.flat), unfold, flat3(4 * c, 3 * c), heads)

    def ladder_features(self) -> nn.Module:
        """down C→c, 3/1/1 c→c, ReLU after each: c × 16 × 16."""
        return nn.Sequential(*self._halvings(1), *_active(flat3(self.channels, self.channels)))

    def ladder_z1(self) -> tuple[nn.Module, nn.Module]:
        c = self.channels
        return nn.Sequential(*_active(down(c, 3 * c))), SplitHeads(flat5(3 * c, 2 * c))

    def ladder_climb(self, layers: int) -> list[nn.Module]:
        c = self.channels
        to_z2 = nn.Sequential(*_active(down(c, 3 * c)))
        to_z3 = [folded(self.fold())] if layers > 1 else []
        return [to_z2, *to_z3, *(perceptron(self.flat, self.flat) for _ in range(layers - 2))]

    def ladder_z2_heads(self, dim: int, family: type[LatentDistribution], *, top: bool) -> nn.Module:
        """Heads down 3c→2c. Below the top, a ladder takes softplus for the variance without taking its root."""
        return SplitHeads(down(3 * self.channels, 2 * self.channels), root=top)

    def _halvings(self, count: int) -> list[nn.Module]:
        c = self.channels
        pad = [nn.ZeroPad2d(self.border)] if self.border else []
        return [
            *pad,
            *_active(down(self.image_channels, c)),
            *(n for _ in range(count - 1) for n in _active(down(c, c))),
        ]


def _active(layer: nn.Module) -> list[nn.Module]:
    return [layer, relu()]
