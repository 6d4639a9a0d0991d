"""Generalised top-down hierarchical VAE: every layer looks at the image with networks of its own."""

__all__ = ["GeneralisedInference"]

from collections.abc import Sequence

from torch import Tensor, nn

from hit.distributions import DiagonalGaussian, LatentDistribution
from hit.models.geometry.latent_geometry import Geometry
from hit.models.hierarchy import Inference


class GeneralisedInference(Inference):
    """Posteriors of GHVAE.

    Args:
        geometry: parts for one form of z_2.
        dims: d_2, …, d_L, from z_2 up; that of a convolutional z_2 means nothing.
        top: family of z_L.
    """

    reads_priors = False

    def __init__(
        self, geometry: Geometry, dims: Sequence[int], top: type[LatentDistribution] = DiagonalGaussian
    ) -> None:
        super().__init__()
        self.features = nn.ModuleList([geometry.z1_features(), *(geometry.z2_features() for _ in dims)])
        above = [*dims[1:], None]
        self.levels = nn.ModuleList([geometry.z1_posterior(dims[0]), geometry.z2_posterior(dims[0], above[0], top)])
        for dim, dim_above in zip(dims[1:], above[1:], strict=True):
            self.levels.append(geometry.dense_posterior(dim, dim_above, top))

    def evidence(self, x: Tensor) -> tuple[Tensor | LatentDistribution, ...]:
        return tuple(features(x) for features in self.features)

    def posterior(
        self,
        layer: int,
        evidence: Tensor | LatentDistribution,
        above: Tensor | None,
        prior: LatentDistribution | None,
    ) -> LatentDistribution:
        level = self.levels[layer - 1]
        return level(evidence) if above is None else level(evidence, above)  # type: ignore[no-any-return]
