"""β drawn for every image of a batch, so that one model learns of all β: from where, and how images weigh."""

__all__ = [
    "LOSS_POWER",
    "TOP_POWER",
    "WIDENED_AT",
    "draw_betas",
    "free_nats",
    "loss_scale",
    "ramp",
    "range_share",
    "spared",
    "top_power",
]

import math
from collections.abc import Sequence

import torch
from torch import Tensor

#: An example's loss is divided by (mean β + 0.3)^p: D + Σ β_l R_l grows with β, and large β would drown small ones.
LOSS_OFFSET, LOSS_POWER = 0.3, 0.6
#: The density of log β_L rises along its range as its place in it to this power, in trainings of fewer steps than these
#: in proportion less. Where β_L is strong the top layer is empty, and those below it take a code of their own, which is
#: what a surface fails to learn with some seeds; in few steps strong β_L leaves the top layer too little everywhere.
TOP_POWER, TOP_STEPS = 0.5, 10_000
#: So many nats of the top layer, a mean over the batch, cost nothing while the range widens: free bits
#: (https://arxiv.org/abs/1606.04934). Before the layers below have found what z_L is good for it is all but given up,
#: and some seeds never came back. Trainings of more steps have fewer, and none from `TOP_STEPS` on: they come back
#: without, and it is the code without z_L that they have to find early.
FREE_NATS = 5.0
#: Training begins on this lowest share of the range of log β, and has widened to all of it after this share of steps.
#: Under strong β untrained layers collapse before they are of any use, and stay so at every β.
RANGE_FROM, WIDENED_AT = 0.4, 0.2
#: Over this share of steps, and at most so many, rates are weighed by more and more of β, from nothing on: under weak
#: β, too, the top layer of untrained networks may be given up, before the layers below let anything of it through.
RAMP_SHARE, RAMP_STEPS = 0.1, 150


def draw_betas(
    images: int,
    layers: int,
    beta_low: float,
    beta_high: float,
    source: torch.Generator,
    share: float = 1.0,
    power: float = 0.0,
) -> Tensor:
    """β of the images of a batch, images × L, each log β_l uniform over the range unless a power is given.

    A Latin hypercube (https://doi.org/10.2307/1268522): of as many equal parts of the range of log β_l as there are
    images every one holds one of them, in an order drawn for every layer, so that batches differ less than independent
    draws would.

    Args:
        images: of the batch.
        layers: L.
        beta_low, beta_high: the range.
        source: generator on the CPU.
        share: the lowest share of the range of log β to draw from.
        power: the density of log β_L, where L > 1, rises as its place in the range to this power.
    """
    low, high = math.log(beta_low), math.log(beta_high)
    parts = torch.stack([torch.randperm(images, generator=source) for _ in range(layers)], 1)
    uniform = (parts + torch.rand(images, layers, generator=source)) / images
    if layers > 1:
        uniform[:, -1] **= 1 / (1 + power)
    return (low + (high - low) * share * uniform).exp()


def loss_scale(betas: Tensor, power: float | Tensor = LOSS_POWER) -> Tensor:
    """What the loss of every image is divided by, (images,): (mean β + 0.3)^0.6.

    Args:
        betas: images × L.
        power: in place of 0.6, one number.
    """
    return (betas.mean(1) + LOSS_OFFSET) ** power


def range_share(step: int, steps: int, widened_at: float = WIDENED_AT) -> float:
    """The share of the range of log β, from its low end up, that training draws from at `step` of `steps`.

    Args:
        step: counted from 0 over the whole training.
        steps: of the whole training.
        widened_at: the share of steps after which it is all of the range.

    >>> [range_share(step, 100) for step in (0, 10, 20, 99)]
    [0.4, 0.7, 1.0, 1.0]
    """
    return min(1.0, RANGE_FROM + (1 - RANGE_FROM) * step / (widened_at * steps))


def top_power(steps: int, whole: float = TOP_POWER) -> float:
    """The power by which a training of so many steps draws strong β_L more often (`draw_betas`).

    >>> [top_power(steps) for steps in (1000, 10_000, 50_000)]
    [0.05, 0.5, 0.5]
    """
    return whole * min(1.0, steps / TOP_STEPS)


def ramp(step: int, steps: int) -> float:
    """The share of β that rates of sampled β are weighed by at `step` of `steps`.

    >>> [ramp(step, 100) for step in (0, 5, 10, 99)], ramp(75, 10_000)
    ([0.0, 0.5, 1.0, 1.0], 0.5)
    """
    return min(1.0, step / min(RAMP_SHARE * steps, RAMP_STEPS))


def free_nats(step: int, steps: int) -> float:
    """How many nats of R_L cost nothing at `step` of `steps` (`spared`).

    >>> [free_nats(step, 1000) for step in (0, 199, 200)], free_nats(0, 10_000)
    ([4.5, 4.5, 0.0], 0.0)
    """
    return FREE_NATS * max(0.0, 1 - steps / TOP_STEPS) if step < WIDENED_AT * steps else 0.0


def spared(betas: Tensor, rates: Sequence[Tensor], free: float | Tensor) -> Tensor:
    """β as the rates of a batch are weighed: as they are, but that β_L is 0 where the mean R_L is below what is free.

    Args:
        betas: images × L.
        rates: R_1 … R_L of every image, each (images,).
        free: nats per image, one number. With one layer nothing is free.
    """
    if len(rates) == 1:
        return betas
    costs = rates[-1].detach().mean() >= free
    return torch.cat([betas[:, :-1], betas[:, -1:] * costs], 1)
