"""Networks for q(z_l|z_{l+1}, x) where every layer has its own: features of the image meet the latent above."""

__all__ = ["DensePosterior", "JointPosterior", "TopPosterior"]

import torch
from torch import Tensor, nn

from hit.distributions import DiagonalGaussian, LatentDistribution
from hit.models.networks import Heads, linear, perceptron, vector_heads


class TopPosterior(nn.Module):
    """q(z_L|x) of a vector: a convolution of the image features, ReLU, linear heads.

    Args:
        mid: features → a map of `flat` numbers.
        flat: see there.
        dim: of z_L.
        family: of z_L.
    """

    def __init__(self, mid: nn.Module, flat: int, dim: int, family: type[LatentDistribution]) -> None:
        super().__init__()
        self.mid = mid
        self.heads = vector_heads(flat, dim, family)

    def forward(self, features: Tensor) -> LatentDistribution:
        return self.heads(self.mid(features).relu().flatten(1))  # type: ignore[no-any-return]


class DensePosterior(nn.Module):
    """q(z_l|z_{l+1}, x) of a vector, 1 < l < L: features of both, z first, one hidden layer, twin linear heads."""

    def __init__(self, mid: nn.Module, flat: int, above: int, dim: int) -> None:
        super().__init__()
        self.mid = mid
        self.from_above = perceptron(above, flat)
        self.joint = perceptron(2 * flat, flat)
        self.heads = Heads(linear(flat, dim), linear(flat, dim), (dim,))

    def forward(self, features: Tensor, z_above: Tensor) -> DiagonalGaussian:
        seen = self.mid(features).relu().flatten(1)
        return self.heads(self.joint(torch.cat([self.from_above(z_above), seen], 1)))  # type: ignore[no-any-return]


class JointPosterior(nn.Module):
    """q(z_l|z_{l+1}, x) where maps meet: z_{l+1} unfolded to the features' size, concatenated with them z first.

    Args:
        from_above: first layers on z_{l+1}.
        unfold: from there to the side of the features.
        mid: on both, before a ReLU.
        heads: on its output.
    """

    def __init__(self, from_above: nn.Module, unfold: nn.Module, mid: nn.Module, heads: nn.Module) -> None:
        super().__init__()
        self.from_above = from_above
        self.unfold = unfold
        self.mid = mid
        self.heads = heads

    def forward(self, features: Tensor, z_above: Tensor) -> DiagonalGaussian:
        joint = torch.cat([self.unfold(self.from_above(z_above)), features], 1)
        return self.heads(self.mid(joint).relu())  # type: ignore[no-any-return]
