"""Latents on a grid: z = μ_p + σ_p k h with whole k, where μ_p and σ_p are the prior's and h a step."""

__all__ = ["LatentGrid"]

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hit.coding.ans_stack import Symbols
from hit.coding.entropy_models import Gaussians, Models, Tables, WindowedGaussians
from hit.distributions import Categorical, DiagonalGaussian, LatentDistribution


@dataclass(frozen=True)
class LatentGrid:
    """Steps of h = 1 / `steps` prior standard deviations, to `reach` of these on both sides of the prior's mean.

    A categorical z is its category's number: it is coded as it is.

    Args:
        steps: a prior standard deviation.
        reach: in prior standard deviations.
    """

    steps: int = 64
    reach: int = 8

    def prior(self, prior: LatentDistribution) -> Models:
        """p(k) of a batch, batch × n."""
        if isinstance(prior, Categorical):
            return _categories(prior)
        mean = np.zeros(_flat(prior.mean).shape)
        return Gaussians.of(mean, np.full_like(mean, self.steps), self.steps * self.reach)

    def posterior(self, posterior: LatentDistribution, prior: LatentDistribution) -> Models:
        """q(k) of a batch, batch × n."""
        if isinstance(posterior, Categorical):
            return _categories(posterior)
        assert isinstance(posterior, DiagonalGaussian)
        assert isinstance(prior, DiagonalGaussian)
        mean = (posterior.mean - prior.mean) / prior.std * self.steps
        return WindowedGaussians.of(_flat(mean), _flat(posterior.std / prior.std * self.steps), self.steps * self.reach)

    def points(self, symbols: Symbols, prior: LatentDistribution) -> Tensor:
        """z of k, batch × n, shaped like the prior's mean."""
        like = prior.mean
        if isinstance(prior, Categorical):
            hot = torch.nn.functional.one_hot(torch.from_numpy(symbols[:, 0]).long(), like.shape[1])
            return hot.to(like)
        assert isinstance(prior, DiagonalGaussian)
        k = torch.from_numpy(symbols).to(like).view_as(like)
        return prior.mean + prior.std * (k / self.steps)


def _categories(distribution: Categorical) -> Tables:
    """One table an example."""
    return Tables.of(distribution.probabilities[:, None].detach().numpy())


def _flat(tensor: Tensor) -> np.ndarray:
    return tensor.detach().flatten(1).numpy()
