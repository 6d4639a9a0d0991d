"""Ladder VAE: one bottom-up pass, whose word on every layer is weighed against the prior by precision."""

__all__ = ["LadderInference", "weigh"]

from collections.abc import Sequence

from torch import Tensor, nn

from hit.distributions import DiagonalGaussian, LatentDistribution
from hit.models.geometry.latent_geometry import Geometry
from hit.models.hierarchy import Inference


def weigh(mean: Tensor, variance: Tensor, prior: DiagonalGaussian) -> DiagonalGaussian:
    """Precision-weighted product of a bottom-up Gaussian and the prior (https://arxiv.org/abs/1602.02282, eq. 16).

    v = v̂ v_p / (v̂ + v_p) and m = (m̂ v_p + m_p v̂) / (v̂ + v_p).

    Args:
        mean: m̂, batch × latent shape.
        variance: v̂, the same shape.
        prior: N(m_p, v_p).
    """
    prior_variance = prior.std.square()
    total = variance + prior_variance
    return DiagonalGaussian(
        (mean * prior_variance + prior.mean * variance) / total, (variance * prior_variance / total).sqrt()
    )


class LadderInference(Inference):
    """Posteriors of LVAE.

    Args:
        geometry: parts for one form of z_2.
        dims: d_2, …, d_L, from z_2 up; that of a convolutional z_2 means nothing.
        top: family of z_L.
    """

    def __init__(
        self, geometry: Geometry, dims: Sequence[int], top: type[LatentDistribution] = DiagonalGaussian
    ) -> None:
        super().__init__()
        self.features = geometry.ladder_features()
        self.z1_mid, self.z1_heads = geometry.ladder_z1()
        self.climb = nn.ModuleList(geometry.ladder_climb(len(dims)))
        families = [DiagonalGaussian] * (len(dims) - 1) + [top]
        self.heads = nn.ModuleList([geometry.ladder_z2_heads(dims[0], families[0], top=len(dims) == 1)])
        for dim, family in zip(dims[1:], families[1:], strict=True):
            self.heads.append(geometry.ladder_dense_heads(dim, family))

    def evidence(self, x: Tensor) -> tuple[Tensor | LatentDistribution, ...]:
        features = self.features(x)
        said = [self.z1_heads(self.z1_mid(features))]
        h = features
        for climb, heads in zip(self.climb, self.heads, strict=True):
            h = climb(h)
            said.append(heads(h))
        return tuple(said)

    def posterior(
        self,
        layer: int,
        evidence: Tensor | LatentDistribution,
        above: Tensor | None,
        prior: LatentDistribution | None,
    ) -> LatentDistribution:
        assert isinstance(evidence, LatentDistribution)
        if prior is None:
            return evidence
        assert isinstance(evidence, DiagonalGaussian)
        assert isinstance(prior, DiagonalGaussian)
        # Below the top, the softplus head is a variance.
        return weigh(evidence.mean, evidence.std, prior)
