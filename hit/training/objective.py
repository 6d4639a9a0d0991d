"""The Lagrangian D + Σ_l β_l R_l, and what changes with the epoch: β and the temperature of a categorical z_L."""

__all__ = ["gumbel_temperature", "objective", "warmup_factor", "warmup_factors"]

import math

from torch import Tensor

from hit.config import TrainConfig
from hit.config.latent_maps import DeepOptions
from hit.models.hierarchy import Pass

#: The share of the epochs after which the layers of a deep model have their own β.
_LAYER_SHARE = 0.5


def objective(outcome: Pass, betas: Tensor) -> Tensor:
    """D + Σ_l β_l R_l of every image, nats; at β = 1 the negative ELBO.

    Args:
        outcome: one pass of a batch.
        betas: β_1 … β_L, of shape (L,) for the whole batch or (batch, L), a row an example.

    Returns:
        One number an image, shape (batch,).
    """
    total = outcome.distortion
    for layer, rate in enumerate(outcome.rates):
        total = total + betas[..., layer] * rate
    return total


def warmup_factor(config: TrainConfig, epoch: int) -> float:
    """What all β are multiplied by in `epoch` (counted from 0): for a ladder VAE min(1, epoch / (epochs // 5)).

    The research code's warm-up of LVAE (https://arxiv.org/abs/2302.04855); 1 for other models and without warm-up.
    """
    length = config.epochs // 5
    if "warmup" not in config.model_part.reads or not config.warmup or length == 0:
        return 1.0
    return min(1.0, epoch / length)


def warmup_factors(config: TrainConfig, epoch: int) -> tuple[float, ...]:
    """What β_1, …, β_L of a fixed β are multiplied by in `epoch` (counted from 0).

    Of a ladder VAE all by one number (`warmup_factor`). Of a deep model β_l by r^((l − 1) (1 − t)), where r is its
    `start_ratio` and t rises from 0 to 1 over the first half of the epochs. All layers see all that lies above them,
    so that the objective hardly tells which of them holds what they can all hold, and the largest map learns soonest:
    where r < 1 the upper layers are given a start, and keep what they have learned that is worth its rate.
    """
    length = int(config.epochs * _LAYER_SHARE)
    if not isinstance(config.model_options, DeepOptions) or length == 0:
        return (warmup_factor(config, epoch),) * config.layers
    left = max(0.0, 1 - epoch / length)
    return tuple(config.model_options.start_ratio ** (layer * left) for layer in range(config.layers))


def gumbel_temperature(config: TrainConfig, epoch: int) -> float | None:
    """Temperature of a Gumbel-softmax z_L in `epoch` (counted from 0): exp(−0.007 · epoch), not below 0.4.

    That of the research code (https://arxiv.org/abs/2302.04855); None for other posteriors.
    """
    return max(0.4, math.exp(-0.007 * epoch)) if config.posterior == "gumbel_softmax" else None
