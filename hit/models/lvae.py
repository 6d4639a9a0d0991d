"""Ladder VAE: one bottom-up pass, whose word on every layer is weighed against the prior by precision."""

__all__ = ["LadderInference", "weigh"]

from collections.abc import Sequence

from torch import Tensor, nn

from hit.distributions import DiagonalGaussian
from hit.models.hierarchy import Inference
from hit.models.networks import DenseFeatures, Geometry, Heads, conv, linear, perceptron, relu


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
    """Posteriors of LVAE with dense z_2 … z_L.

    Args:
        geometry: sizes.
        dims: d_2, …, d_L, from z_2 up.
    """

    def __init__(self, geometry: Geometry, dims: Sequence[int]) -> None:
        super().__init__()
        c = geometry.channels
        self.features = DenseFeatures(geometry)
        self.z1_mid = nn.Sequential(geometry.mid(c), relu())
        self.z1_heads = Heads(conv(c, c, 3, 1, 1), conv(c, c, 3, 1, 1), geometry.z1_shape)
        # d_2 folds the features to a vector; every layer above reads the one below it.
        self.climb = nn.ModuleList([nn.Sequential(geometry.mid(c), relu(), nn.Flatten())])
        self.climb.extend(perceptron(geometry.flat, geometry.flat) for _ in dims[1:])
        self.heads = nn.ModuleList(Heads(linear(geometry.flat, d), linear(geometry.flat, d), (d,)) for d in dims)

    def evidence(self, x: Tensor) -> tuple[Tensor | DiagonalGaussian, ...]:
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
        evidence: Tensor | DiagonalGaussian,
        z_above: Tensor | None,
        prior: DiagonalGaussian | None,
    ) -> DiagonalGaussian:
        assert isinstance(evidence, DiagonalGaussian)
        # Below the top, the softplus head is a variance; at the top it is a standard deviation.
        return evidence if prior is None else weigh(evidence.mean, evidence.std, prior)
