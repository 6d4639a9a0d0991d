"""Likelihoods of images: what a decoder's last layer says of the pixels."""

__all__ = ["Bernoulli", "FixedGaussian", "LearnedGaussian", "Likelihood"]

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hit.distributions.softplus import softplus

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


class Likelihood(nn.Module, ABC):
    """p(x|z_1), from what the decoder's last layer gives (`output`: batch × `outputs(C)` × H × W).

    Attributes:
        discrete: whether p(x|z_1) is a probability, so that all x together have 1 or less.
    """

    discrete: bool = False

    def outputs(self, image_channels: int) -> int:
        """Channels of the decoder's last layer for images of C channels."""
        return image_channels

    def prepare(self, images: Tensor) -> Tensor:
        """The x that this likelihood models, in [0, 1], from uint8 images."""
        return images.to(torch.get_default_dtype()).div_(255)

    def restore(self, x: Tensor) -> Tensor:
        """x, or its mean, in the units of the data: images in [0, 1]."""
        return x.clamp(0, 1)

    @abstractmethod
    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        """log p(x|z_1) in nats, one number an example."""

    @abstractmethod
    def mean(self, output: Tensor) -> Tensor:
        """E[x|z_1], shaped like x."""

    @abstractmethod
    def sample(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A draw of x from p(x|z_1), shaped like x."""


class Bernoulli(Likelihood):
    """Binary pixels: `output` holds their logits. Grey levels are rounded to 0 or 1 first, or stay as they are.

    A level x in between is then the probability of a white pixel: log p(x|z_1) = E log p(b|z_1) over the binary
    images b drawn with it, as the research code trains on MNIST. That is no probability of x itself.

    Args:
        rounds: whether grey levels are rounded.
    """

    def __init__(self, *, rounds: bool = True) -> None:
        super().__init__()
        self.discrete = rounds

    def prepare(self, images: Tensor) -> Tensor:
        return (images > 127).to(torch.get_default_dtype()) if self.discrete else super().prepare(images)

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        return (x * output - softplus(output)).flatten(1).sum(1)

    def mean(self, output: Tensor) -> Tensor:
        return output.sigmoid()

    def sample(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return torch.bernoulli(output.sigmoid(), generator=generator)


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

    def sample(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        noise = torch.randn(output.shape, generator=generator, device=output.device, dtype=output.dtype)
        return output + self.sigma * noise


class LearnedGaussian(Likelihood):
    """N(output, σ²) with one learned log σ, softly limited: −6 + softplus(log σ + 6).

    It is 0 until a training begins, which starts it at the spread of its images (`start`): Adam moves log σ by
    at most its step size a step, so that from 0 a short training would end long before σ fits.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_sigma = nn.Parameter(torch.zeros(()))

    @property
    def untrained(self) -> bool:
        """Whether log σ is that of a new model."""
        return self.log_sigma.item() == 0

    @torch.no_grad()
    def start(self, images: Tensor) -> None:
        """Set σ to the root of the mean square of images (uint8, N×C×H×W) about their mean image, above e⁻⁵.

        It is the σ of highest likelihood where every output is the mean image, as that of untrained networks may be.
        """
        x = self.prepare(images)
        spread = (x - x.mean(0)).square().mean().sqrt()
        over = (spread.log() + 6).clamp(min=1)
        self.log_sigma.copy_(over.expm1().log() - 6)

    def limited_log_sigma(self) -> Tensor:
        """log σ in force, above −6."""
        return -6 + F.softplus(self.log_sigma + 6)

    def log_prob(self, x: Tensor, output: Tensor) -> Tensor:
        log_sigma = self.limited_log_sigma()
        squares = (x - output).square().flatten(1)
        return -0.5 * squares.sum(1) * torch.exp(-2 * log_sigma) - squares.shape[1] * (log_sigma + _HALF_LOG_2PI)

    def mean(self, output: Tensor) -> Tensor:
        return output

    def sample(self, output: Tensor, generator: torch.Generator | None = None) -> Tensor:
        noise = torch.randn(output.shape, generator=generator, device=output.device, dtype=output.dtype)
        return output + self.limited_log_sigma().exp() * noise
