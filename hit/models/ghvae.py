"""Generalised top-down hierarchical VAE: every layer looks at the image with networks of its own."""

__all__ = ["GeneralisedInference"]

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from hit.distributions import DiagonalGaussian
from hit.models.hierarchy import Inference
from hit.models.networks import DenseFeatures, Geometry, Heads, conv, linear, perceptron, relu


class _TopPosterior(nn.Module):
    """q(z_L|x): mid on the image features, twin linear heads."""

    def __init__(self, geometry: Geometry, dim: int) -> None:
        super().__init__()
        self.mid = geometry.mid(geometry.channels)
        self.heads = Heads(linear(geometry.flat, dim), linear(geometry.flat, dim), (dim,))

    def forward(self, features: Tensor) -> DiagonalGaussian:
        return self.heads(self.mid(features).relu().flatten(1))  # type: ignore[no-any-return]


class _DensePosterior(nn.Module):
    """q(z_l|z_{l+1}, x) for 1 < l < L: features of both, z first, one hidden layer, twin linear heads."""

    def __init__(self, geometry: Geometry, above: int, dim: int) -> None:
        super().__init__()
        self.mid = geometry.mid(geometry.channels)
        self.from_above = perceptron(above, geometry.flat)
        self.joint = perceptron(2 * geometry.flat, geometry.flat)
        self.heads = Heads(linear(geometry.flat, dim), linear(geometry.flat, dim), (dim,))

    def forward(self, features: Tensor, z_above: Tensor) -> DiagonalGaussian:
        seen = self.mid(features).relu().flatten(1)
        return self.heads(self.joint(torch.cat([self.from_above(z_above), seen], 1)))  # type: ignore[no-any-return]


class _SpatialPosterior(nn.Module):
    """q(z_1|z_2, x): z_2 unfolded to the features' size, concatenated with them z first, mid, twin conv heads."""

    def __init__(self, geometry: Geometry, above: int) -> None:
        super().__init__()
        c = geometry.channels
        self.from_above = perceptron(above, geometry.flat)
        self.unfold = nn.Sequential(nn.Unflatten(1, geometry.z1_shape), geometry.mid_up(), relu())
        self.mid = geometry.mid(2 * c)
        self.heads = Heads(conv(c, c, 3, 1, 1), conv(c, c, 3, 1, 1), geometry.z1_shape)

    def forward(self, features: Tensor, z_above: Tensor) -> DiagonalGaussian:
        joint = torch.cat([self.unfold(self.from_above(z_above)), features], 1)
        return self.heads(self.mid(joint).relu())  # type: ignore[no-any-return]


class GeneralisedInference(Inference):
    """Posteriors of GHVAE with dense z_2 … z_L.

    Args:
        geometry: sizes.
        dims: d_2, …, d_L, from z_2 up.
    """

    def __init__(self, geometry: Geometry, dims: Sequence[int]) -> None:
        super().__init__()
        layers = len(dims) + 1
        self.features = nn.ModuleList(DenseFeatures(geometry) for _ in range(layers))
        self.levels = nn.ModuleList([_SpatialPosterior(geometry, dims[0])])
        for dim, above in pairwise(dims):
            self.levels.append(_DensePosterior(geometry, above, dim))
        self.levels.append(_TopPosterior(geometry, dims[-1]))

    def evidence(self, x: Tensor) -> tuple[Tensor | DiagonalGaussian, ...]:
        return tuple(features(x) for features in self.features)

    def posterior(
        self,
        layer: int,
        evidence: Tensor | DiagonalGaussian,
        z_above: Tensor | None,
        prior: DiagonalGaussian | None,
    ) -> DiagonalGaussian:
        level = self.levels[layer - 1]
        return level(evidence) if z_above is None else level(evidence, z_above)  # type: ignore[no-any-return]
