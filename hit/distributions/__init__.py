"""Posteriors, priors and likelihoods: densities in nats, summed over everything but the batch."""

__all__ = [
    "Bernoulli",
    "Categorical",
    "DiagonalGaussian",
    "FixedGaussian",
    "LatentDistribution",
    "LearnedGaussian",
    "Likelihood",
    "MixtureOfLogistics",
    "VectorLikelihood",
]

from hit.distributions.latent import Categorical, DiagonalGaussian, LatentDistribution
from hit.distributions.likelihoods import Bernoulli, FixedGaussian, LearnedGaussian, Likelihood
from hit.distributions.mixture import MixtureOfLogistics
from hit.distributions.vector_likelihood import VectorLikelihood
