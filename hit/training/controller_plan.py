"""What a rate controller controls: targets of layers, of groups of layers and of the total rate, as tensors."""

__all__ = ["ControllerPlan", "controller_plan", "presses"]

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hit.config import TrainConfig
from hit.config.rates.rate_targets import BETA_HIGH, BETA_LOW, RateTarget
from hit.errors import ConfigError

#: From so many layers on, targets of layers answer each other and are pressed for in the loss.
_MANY_LAYERS = 3


@dataclass(frozen=True)
class ControllerPlan:
    """What is controlled, as tensors.

    K targets are possible: of R_1, …, R_L, then of each group's sum that there is one of, last of the total rate R.

    Attributes:
        ends: of the targets' flat names: `_1`, `_4-6`, nothing for the total.
        start: log β_l as asked for, (L,).
        targets: nats per image, (K,); 1 where there is none.
        controlled: which of them there are, (K,).
        pressed: which of them are exact, of a model of three layers or more, and not of the total, (K,).
        low, high: bounds of what log β is moved by, (K,).
        sums: which rates a target is of, (K, L).
        moves: which layers' β a target moves, (L, K).
        leads: whose errors a target answers, its own and, of three layers or more, those below it, (K, K).
    """

    ends: tuple[str, ...]
    start: Tensor
    targets: Tensor
    controlled: Tensor
    pressed: Tensor
    low: Tensor
    high: Tensor
    sums: Tensor
    moves: Tensor
    leads: Tensor


def presses(config: TrainConfig) -> bool:
    """Whether the loss holds rates at their targets: exact ones of layers or groups, with three layers or more."""
    exact = any(target is not None and not target.upper for target in config.targets.layers)
    exact |= any(not target.upper for _, target in config.targets.groups)
    return exact and config.layers >= _MANY_LAYERS


def controller_plan(config: TrainConfig, device: torch.device | str = "cpu") -> ControllerPlan:
    """The plan of a config's rate targets.

    A target of a layer moves that layer's β, one of a group those of its layers by one common factor. A target of the
    total rate moves the β of all layers that have no exact target of their own, by one common factor, too. An upper
    bound never lowers β below what was asked for.

    Raises:
        ConfigError: it has none.
    """
    targets = config.targets
    if not targets:
        raise ConfigError("config must have a rate target for a controller of β, got none")
    layers = range(config.layers)
    own = targets.layers or (None,) * config.layers
    groups = [[layer - 1 for layer in group.layers] for group, _ in targets.groups]
    wanted: list[RateTarget | None] = [*own, *(target for _, target in targets.groups), targets.total]
    exact = [target is not None and not target.upper for target in wanted]
    settled = {layer for layer in layers if exact[layer]}
    settled |= {layer for row, group in enumerate(groups, start=len(own)) if exact[row] for layer in group}
    shared = [layer for layer in layers if layer not in settled] if targets.total is not None else []
    summed = [*([layer] for layer in layers), *groups, list(layers)]
    moved = [*summed[:-1], shared]

    start = torch.tensor(config.betas, dtype=torch.float64).log()
    lowest = torch.stack([start[rows].min() if rows else start.new_zeros(()) for rows in moved])
    highest = torch.stack([start[rows].max() if rows else start.new_zeros(()) for rows in moved])
    controlled = torch.tensor([target is not None for target in wanted])
    # Two layers part what they hold by their own β alone, and have come to rest so since the first version.
    many = config.layers >= _MANY_LAYERS
    pressed = torch.tensor([*(one and many for one in exact[:-1]), False])
    # Row k of `leads`: the exact targets that lie below it whole, and itself.
    leads = torch.eye(len(wanted), dtype=torch.float64)
    for row in range(len(wanted) - 1):
        for below in range(len(wanted) - 1):
            leads[row, below] += many and exact[row] and exact[below] and max(summed[below]) < min(summed[row])
    return ControllerPlan(
        ends=(*(f"_{layer + 1}" for layer in layers), *(f"_{group}" for group, _ in targets.groups), ""),
        start=start.to(device),
        targets=torch.tensor([1.0 if one is None else one.nats for one in wanted], dtype=torch.float64).to(device),
        controlled=controlled.to(device),
        pressed=pressed.to(device),
        low=(math.log(BETA_LOW) - highest).where(torch.tensor(exact), 0.0).to(device),
        high=(math.log(BETA_HIGH) - lowest).where(controlled, 0.0).to(device),
        sums=_indicators(summed, len(own)).to(device),
        moves=_indicators(moved, len(own)).T.contiguous().to(device),
        leads=leads.to(device),
    )


def _indicators(rows: list[list[int]], layers: int) -> Tensor:
    """A row of ones and zeros a list of indices of layers."""
    ones = torch.zeros(len(rows), layers, dtype=torch.float64)
    for row, indices in enumerate(rows):
        ones[row, indices] = 1.0
    return ones
