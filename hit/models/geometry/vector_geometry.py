"""Models of data that are vectors: the parts that GHVAE, LVAE and VAE are composed of, of linear blocks."""

__all__ = ["MOST_Z1", "VectorGeometry", "check_vectors_fit"]

from torch import nn

from hit.config import TrainConfig
from hit.config.rates.rate_targets import check_targets
from hit.distributions import LatentDistribution
from hit.errors import ConfigError
from hit.models.geometry.latent_geometry import Geometry
from hit.models.networks import DensePrior, Heads, folded, linear, perceptron, relu, vector_heads
from hit.models.posteriors import JointPosterior

#: Dimensions of z_1 where nothing else is asked for: as many as the data have features, and at most so many.
MOST_Z1 = 64
_LIKELIHOODS = ("gaussian", "gaussian_learned", "bernoulli")
#: The likelihoods that are of images alone.
_OF_IMAGES = ("bernoulli_grey", "mol")


class VectorGeometry(Geometry):
    """Parts of the models of vectors. Every hidden layer has w = 16c numbers, and every latent is a vector.

    Args:
        features: D.
        channels: c.
        linear_z1: dimensions of z_1; 0: D, and 64 at most.
    """

    def __init__(self, features: int, channels: int, linear_z1: int = 0) -> None:
        # There is no image to tell the parts of.
        self.features = features
        self.channels = channels
        self.linear_z1 = linear_z1 or min(features, MOST_Z1)

    @property
    def flat(self) -> int:
        """w, numbers in a hidden layer."""
        return 16 * self.channels

    @property
    def z1_shape(self) -> tuple[int, ...]:
        return (self.linear_z1,)

    def z2_shape(self, dim: int) -> tuple[int, ...]:
        return (dim,)

    def z1_prior(self, above: int, *, root: bool) -> nn.Module:
        """Linear d_2→w, ReLU, twin heads linear w→d_1."""
        return DensePrior(above, self.flat, self.z1_shape)

    def decoder(self, outputs: int, *, wide: bool = False) -> nn.Module:
        """Linear d_1→w, w→w, ReLU after each, then linear to the output."""
        w = self.flat
        return nn.Sequential(linear(self.linear_z1, w), relu(), linear(w, w), relu(), linear(w, outputs))

    def z1_features(self) -> nn.Module:
        """Linear D→w, w→w, ReLU after each."""
        return nn.Sequential(*perceptron(self.features, self.flat), *perceptron(self.flat, self.flat))

    def z2_features(self) -> nn.Module:
        return self.z1_features()

    def fold(self) -> nn.Module:
        """Linear w→w."""
        return linear(self.flat, self.flat)

    def z1_posterior(self, above: int) -> nn.Module:
        """z_2: linear d_2→w, ReLU; on both linear 2w→w, ReLU, twin heads linear w→d_1."""
        w = self.flat
        return JointPosterior(perceptron(above, w), nn.Identity(), linear(2 * w, w), self.z1_heads())

    def z2_posterior(self, dim: int, above: int | None, family: type[LatentDistribution]) -> nn.Module:
        return self.dense_posterior(dim, above, family)

    def ladder_features(self) -> nn.Module:
        return self.z1_features()

    def ladder_z1(self) -> tuple[nn.Module, nn.Module]:
        return perceptron(self.flat, self.flat), self.z1_heads()

    def ladder_climb(self, layers: int) -> list[nn.Module]:
        return [folded(self.fold()), *(perceptron(self.flat, self.flat) for _ in range(layers - 1))]

    def ladder_z2_heads(self, dim: int, family: type[LatentDistribution], *, top: bool) -> nn.Module:
        return vector_heads(self.flat, dim, family)

    def z1_heads(self) -> nn.Module:
        """Twin heads linear w→d_1."""
        return Heads(linear(self.flat, self.linear_z1), linear(self.flat, self.linear_z1), self.z1_shape)


def check_vectors_fit(config: TrainConfig, features: int) -> None:
    """Raise ConfigError unless models of this config exist for vectors of so many features."""
    if config.latent == "conv" and config.model != "vae":
        raise ConfigError(f"latent must be dense for vectors, got 'conv' ({config.dataset} has {features} features)")
    if config.likelihood in _OF_IMAGES:
        raise ConfigError(
            f"likelihood must be {', '.join(_LIKELIHOODS[:-1])} or {_LIKELIHOODS[-1]} for vectors, "
            f"got {config.likelihood!r} ({config.dataset} has {features} features)"
        )
    if config.likelihood == "bernoulli":
        check_targets(config.targets, (features,), levels=2)
