"""Posteriors and likelihoods: densities in nats, summed over everything but the batch."""

__all__ = ["Bernoulli", "DiagonalGaussian", "FixedGaussian", "LearnedGaussian", "Likelihood", "standard_normal"]

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True)
class DiagonalGaussian:
    """N(mean, diag(std²)) over the latents of a batch.

    Args:
        mean: batch × latent shape.
        std: the same shape, positive.
    """

    mean: Tensor
    std: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """mean + std · noise, with noise ~ N(0, 1) of the mean's shape."""
        return torch.addcmul(self.mean, self.std, noise)

    def log_prob(self, z: Tensor) -> Tensor:
        """log N(z; mean, std²) in nats, one number an example."""
        terms = -0.5 * ((z - self.mean) / self.std) ** 2 - self.std.log() - _HALF_LOG_2PI
        return terms.flatten(1).sum(1)

    def kl(self, prior: "DiagonalGaussian") -> Tensor:
        """KL(self ‖ prior) = Σ log(σ_p/σ) + (σ² + (μ − μ_p)²) / 2σ_p² − ½, nats, one number an example."""
        ratio = self.std / prior.std
        shift = (self.mean - prior.mean) / prior.std
        return (0.5 * (ratio * ratio + shift * shift - 1) - ratio.log()).flatten(1).sum(1)


def standard_normal(like: DiagonalGaussian) -> DiagonalGaussian:
    """N(0, 1) over the same latents as `like`."""
    return DiagonalGaussian(torch.zeros_like(like.mean), torch.ones_like(like.std))


class Likelihood(nn.Module, ABC):
    """p(x|z_1), from what the decoder's last layer gives (`output`: batch × C × H × W).

    Attributes:
        discrete: whether p(x|z_1) is a probability, at most 1, and no density.
    """

    discrete: ClassVar[bool] = False

    def prepare(self, images: Tensor) -> Tensor:
        """The x that this likelihood models, in [0, 1], from uint8 images."""
        return images.float().div_(255)

    @abstractmethod
    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        """log p(x|z_1) in nats, one number an example."""

    @abstractmethod
    def mean(self, output: Tensor) -> Tensor:
        """E[x|z_1], shaped like x."""


class Bernoulli(Likelihood):
    """Binary pixels: `output` holds their logits. Grey levels are rounded to 0 or 1 first."""

    discrete = True

    def prepare(self, images: Tensor) -> Tensor:
        return (images > 127).float()

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        return (x * output - F.softplus(output)).flatten(1).sum(1)

    def mean(self, output: Tensor) -> Tensor:
        return output.sigmoid()


class FixedGaussian(Likelihood):
    """N(output, σ²) with a given σ, in units of the pixel range [0, 1]."""

    def __init__(self, sigma: float) -> None:
        super().__init__()
        self.sigma = sigma

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        squares = (x - output).square().flatten(1)
        return squares.sum(1) * (-0.5 / self.sigma**2) - squares.shape[1] * (math.log(self.sigma) + _HALF_LOG_2PI)

    def mean(self, output: Tensor) -> Tensor:
        return output


class LearnedGaussian(Likelihood):
    """N(output, σ²) with one learned log σ that starts at 0, softly limited: −6 + softplus(log σ + 6)."""

    def __init__(self) -> None:
        super().__init__()
        self.log_sigma = nn.Parameter(torch.zeros(()))

    def limited_log_sigma(self) -> Tensor:
        """log σ in force, above −6."""
        return -6 + F.softplus(self.log_sigma + 6)

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        log_sigma = self.limited_log_sigma()
        squares = (x - output).square().flatten(1)
        return -0.5 * squares.sum(1) * torch.exp(-2 * log_sigma) - squares.shape[1] * (log_sigma + _HALF_LOG_2PI)

    def mean(self, output: Tensor) -> Tensor:
        return output
