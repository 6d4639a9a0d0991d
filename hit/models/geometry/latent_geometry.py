"""What the form of z_2 decides: the parts that GHVAE and LVAE of any L are composed of."""

__all__ = ["Geometry"]

import math
from abc import ABC, abstractmethod

from torch import nn

from hit.distributions import LatentDistribution
from hit.models.geometry.image_sizes import ImageSize
from hit.models.networks import vector_heads
from hit.models.posteriors import DensePosterior, TopPosterior


class Geometry(ABC):
    """Networks around z_1 and z_2 for images of one size; above z_2 all is dense, whatever z_2 is.

    Networks that look at the image end in features, and `fold` takes those of z_2's path to the smallest map, T
    halvings below the image (`ImageSize`): c × 4 × 4 of images of 28, 32, 64, 128 or 256 pixels. Its numbers are what
    the layers above z_2 see.

    Args:
        image_channels: C.
        size: of the images.
        channels: c.
    """

    def __init__(self, image_channels: int, size: ImageSize, channels: int) -> None:
        self.image_channels = image_channels
        self.size = size
        self.channels = channels

    @property
    def smallest(self) -> tuple[int, int, int]:
        """Shape of the smallest map, c × height × width."""
        return self.channels, *self.size.map_sides(self.size.halvings)

    @property
    def flat(self) -> int:
        """Numbers in the smallest map."""
        return math.prod(self.smallest)

    @property
    @abstractmethod
    def z1_shape(self) -> tuple[int, ...]:
        """Shape of one z_1."""

    @abstractmethod
    def z2_shape(self, dim: int) -> tuple[int, ...]:
        """Shape of one z_2, whose entry in `z_dims` is `dim`."""

    # generative model

    @abstractmethod
    def z1_prior(self, above: int, *, root: bool) -> nn.Module:
        """p(z_1|z_2). `above` is z_2's entry in `z_dims`; `root` as in `SplitHeads`, where such heads are used."""

    @abstractmethod
    def decoder(self, outputs: int, *, wide: bool) -> nn.Module:
        """z_1 → the likelihood's output of so many channels; `wide` as in `image_layers`."""

    # inference with networks of its own for every layer (GHVAE)

    @abstractmethod
    def z1_features(self) -> nn.Module:
        """x → what q(z_1|z_2, x) sees of it."""

    @abstractmethod
    def z2_features(self) -> nn.Module:
        """x → what q(z_2|…), or with weights of their own the layers above it, see of it."""

    @abstractmethod
    def fold(self) -> nn.Module:
        """`z2_features` → the smallest map, by a convolution without ReLU."""

    @abstractmethod
    def z1_posterior(self, above: int) -> nn.Module:
        """(`z1_features`, z_2) → q(z_1|z_2, x)."""

    @abstractmethod
    def z2_posterior(self, dim: int, above: int | None, family: type[LatentDistribution]) -> nn.Module:
        """(`z2_features`, z_3) → q(z_2|z_3, x), or without `above`, the dimensions of z_3, q(z_2|x) of a family."""

    def dense_posterior(self, dim: int, above: int | None, family: type[LatentDistribution]) -> nn.Module:
        """The same for a layer that is a vector."""
        if above is None:
            return TopPosterior(self.fold(), self.flat, dim, family)
        return DensePosterior(self.fold(), self.flat, above, dim)

    # inference in one pass upwards (LVAE)

    @abstractmethod
    def ladder_features(self) -> nn.Module:
        """x → the features that z_1 and z_2 share."""

    @abstractmethod
    def ladder_z1(self) -> tuple[nn.Module, nn.Module]:
        """`ladder_features` → hidden features, and from these, what x says of z_1."""

    @abstractmethod
    def ladder_climb(self, layers: int) -> list[nn.Module]:
        """The steps upwards from `ladder_features`: what z_2, …, z_{layers + 1} see."""

    @abstractmethod
    def ladder_z2_heads(self, dim: int, family: type[LatentDistribution], *, top: bool) -> nn.Module:
        """What z_2 sees → what x says of z_2."""

    def ladder_dense_heads(self, dim: int, family: type[LatentDistribution]) -> nn.Module:
        """The same for a layer that is a vector."""
        return vector_heads(self.flat, dim, family)
