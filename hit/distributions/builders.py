"""The likelihoods of a config, as `hit.config.parts` names them: image shape, options and config → likelihood."""

__all__ = ["bernoulli", "bernoulli_grey", "gaussian", "gaussian_learned", "mol"]

from hit.config import TrainConfig
from hit.distributions.likelihoods import Bernoulli, FixedGaussian, LearnedGaussian
from hit.distributions.mixture import MixtureOfLogistics


def bernoulli(image_shape: tuple[int, int, int], options: None, config: TrainConfig) -> Bernoulli:
    """Grey images, rounded to 0 and 1."""
    return Bernoulli()


def bernoulli_grey(image_shape: tuple[int, int, int], options: None, config: TrainConfig) -> Bernoulli:
    """Grey images as they are."""
    return Bernoulli(rounds=False)


def gaussian(image_shape: tuple[int, int, int], options: None, config: TrainConfig) -> FixedGaussian:
    """σ as the config says."""
    return FixedGaussian(config.sigma)


def gaussian_learned(image_shape: tuple[int, int, int], options: None, config: TrainConfig) -> LearnedGaussian:
    """One σ, learned."""
    return LearnedGaussian()


def mol(image_shape: tuple[int, int, int], options: None, config: TrainConfig) -> MixtureOfLogistics:
    """256 levels a pixel."""
    return MixtureOfLogistics(image_shape[0])
