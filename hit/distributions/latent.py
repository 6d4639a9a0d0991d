"""Distributions of latents, posteriors and priors alike: diagonal Gaussian, and one of K categories."""

__all__ = ["Categorical", "DiagonalGaussian", "LatentDistribution"]

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True)
class LatentDistribution(ABC):
    """q(z_l|…) or p(z_l|…) of a batch. Which kind it is, `isinstance` tells.

    Attributes:
        mean: what stands for the distribution where nothing is drawn (`sample=False`); batch × latent shape.
    """

    mean: Tensor

    @property
    @abstractmethod
    def parameters(self) -> tuple[Tensor, ...]:
        """What the class is called with to make this one again, each batch × latent shape."""

    @abstractmethod
    def sample(self, noise: Tensor) -> Tensor:
        """z, a function of this distribution and of noise as `noise` draws it, shaped like the mean."""

    @abstractmethod
    def log_prob(self, z: Tensor) -> Tensor:
        """log q(z) in nats, one number an example."""

    @abstractmethod
    def kl(self, prior: Self) -> Tensor:
        """KL(self ‖ prior) in nats, one number an example."""

    @classmethod
    @abstractmethod
    def noise(cls, shape: Sequence[int], generator: torch.Generator | None, device: torch.device) -> Tensor:
        """The noise that `sample` takes, for this batch × latent shape."""

    @classmethod
    @abstractmethod
    def standard(cls, like: Tensor) -> Self:
        """p(z_L), the prior of a top layer whose batch of latents is shaped like `like`."""

    def relaxed(self, temperature: float | None) -> Self:
        """The same with samples through which gradients flow; where they do anyway, the same itself."""
        return self


@dataclass(frozen=True)
class DiagonalGaussian(LatentDistribution):
    """N(mean, diag(std²)) over the latents of a batch.

    Args:
        mean: batch × latent shape.
        std: the same shape, positive.
    """

    std: Tensor

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        return self.mean, self.std

    def sample(self, noise: Tensor) -> Tensor:
        """mean + std · noise, with noise ~ N(0, 1)."""
        return torch.addcmul(self.mean, self.std, noise)

    def log_prob(self, z: Tensor) -> Tensor:
        """log N(z; mean, std²)."""
        terms = -0.5 * ((z - self.mean) / self.std) ** 2 - self.std.log() - _HALF_LOG_2PI
        return terms.flatten(1).sum(1)

    def kl(self, prior: Self) -> Tensor:
        """Σ log(σ_p/σ) + (σ² + (μ − μ_p)²) / 2σ_p² − ½."""
        ratio = self.std / prior.std
        shift = (self.mean - prior.mean) / prior.std
        return (0.5 * (ratio * ratio + shift * shift - 1) - ratio.log()).flatten(1).sum(1)

    @classmethod
    def noise(cls, shape: Sequence[int], generator: torch.Generator | None, device: torch.device) -> Tensor:
        """N(0, 1)."""
        return torch.randn(*shape, generator=generator, device=device)

    @classmethod
    def standard(cls, like: Tensor) -> Self:
        """N(0, 1)."""
        return cls(torch.zeros_like(like), torch.ones_like(like))


@dataclass(frozen=True)
class Categorical(LatentDistribution):
    """One of K categories, z one-hot, or relaxed by the Gumbel-softmax (https://arxiv.org/abs/1611.01144).

    π = softmax(logits), and z = onehot(argmax(logits + g)) with Gumbel noise g is a sample of it. While a model
    is trained, z = softmax((logits + g) / temperature) lets gradients through. Rates are those of π, with or
    without a temperature. `mean` is z without noise: the likeliest category, one-hot or relaxed.

    Args:
        logits: batch × K.
        temperature: of the relaxation, positive; None for one-hot.
    """

    mean: Tensor = field(init=False)
    logits: Tensor
    temperature: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", self._of_scores(self.logits))

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        return (self.logits,)

    @property
    def probabilities(self) -> Tensor:
        """π, batch × K."""
        return self.logits.softmax(1)

    def sample(self, noise: Tensor) -> Tensor:
        """The argmax of logits + noise as one-hot or, with a temperature, their softmax; noise ~ Gumbel."""
        return self._of_scores(self.logits + noise)

    def log_prob(self, z: Tensor) -> Tensor:
        """log π of the category that a one-hot z names."""
        return (z * self.logits.log_softmax(1)).sum(1)

    def kl(self, prior: Self) -> Tensor:
        """Σ_k π_k (log π_k − log p_k)."""
        logs = self.logits.log_softmax(1)
        return (logs.exp() * (logs - prior.logits.log_softmax(1))).sum(1)

    @classmethod
    def noise(cls, shape: Sequence[int], generator: torch.Generator | None, device: torch.device) -> Tensor:
        """Gumbel(0, 1): −log of an exponential variable."""
        exponential = torch.empty(*shape, device=device).exponential_(generator=generator)
        return -exponential.clamp_min_(torch.finfo(exponential.dtype).tiny).log()

    @classmethod
    def standard(cls, like: Tensor) -> Self:
        """The uniform distribution."""
        return cls(torch.zeros_like(like))

    def relaxed(self, temperature: float | None) -> Self:
        return replace(self, temperature=temperature)

    def _of_scores(self, scores: Tensor) -> Tensor:
        if self.temperature is None:
            return F.one_hot(scores.argmax(1), scores.shape[1]).to(scores)
        return (scores / self.temperature).softmax(1)
