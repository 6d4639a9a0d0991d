"""Adam's step size as a function of the step alone, so that a resumed run needs no memory of it."""

__all__ = ["apply_schedule", "momentum", "step_size", "warmup_cosine"]

import math

import torch

from hit.config import TrainConfig

#: One cycle, as torch's OneCycleLR by default: the share of steps that rise, and by how much it begins and ends lower.
_RISE, _BEGIN, _END = 0.3, 25.0, 1e4
_MOMENTUM_LOW, _MOMENTUM_HIGH = 0.85, 0.95
#: The share of steps before a cooldown.
_HELD = 0.5
#: Adam's by default.
_MOMENTUM = 0.9
#: The share of steps in which a classifier's step size rises.
_WARM_UP = 0.1


def step_size(schedule: str, peak: float, step: int, steps: int) -> float:
    """The step size at `step` (counted from 0) of `steps`.

    - constant: the peak;
    - cosine: peak · (1 + cos(π step / steps)) / 2;
    - cooldown: the peak for the first half of the steps, then down to 0 along a cosine;
    - one_cycle: from peak / 25 up to the peak over the first 30 % of the steps, then down to peak / 250,000, along
      cosines (https://arxiv.org/abs/1708.07120), as `torch.optim.lr_scheduler.OneCycleLR` does by default.

    >>> [step_size("cosine", 1.0, step, 4) for step in (0, 2)]
    [1.0, 0.5]
    >>> [round(step_size("cooldown", 1.0, step, 8), 3) for step in (0, 4, 6, 7)]
    [1.0, 1.0, 0.5, 0.146]
    """
    if schedule == "constant":
        return peak
    if schedule == "cooldown":
        held = round(_HELD * steps)
        return peak if step <= held else step_size("cosine", peak, step - held, steps - held)
    if schedule == "cosine":
        return peak * (1 + math.cos(math.pi * step / steps)) / 2
    low, last = peak / _BEGIN, peak / _BEGIN / _END
    return _cycle(step, steps, low, peak, last)


def apply_schedule(optimiser: torch.optim.Optimizer, config: TrainConfig, step: int, steps: int) -> None:
    """Set what Adam takes its next step with; one cycle moves its first momentum against the step size."""
    if config.schedule == "constant":
        return
    for group in optimiser.param_groups:
        group["lr"] = step_size(config.schedule, config.learning_rate, step, steps)
        group["betas"] = (momentum(config.schedule, step, steps), *group["betas"][1:])


def momentum(schedule: str, step: int, steps: int) -> float:
    """What is left of Adam's first moment after `step` (counted from 0) of `steps`."""
    if schedule != "one_cycle":
        return _MOMENTUM
    return _cycle(step, steps, _MOMENTUM_HIGH, _MOMENTUM_LOW, _MOMENTUM_HIGH)


def warmup_cosine(step: int, steps: int) -> float:
    """A classifier's step size at `step` (counted from 0) of `steps`, as a share of its peak.

    It rises along a line for a tenth of the steps and then falls to nothing along a cosine.

    >>> [warmup_cosine(step, 20) for step in (0, 1, 2, 11)]
    [0.5, 1.0, 1.0, 0.5]
    """
    rise = max(1, round(_WARM_UP * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def _cycle(step: int, steps: int, begin: float, peak: float, end: float) -> float:
    """From `begin` to `peak` and on to `end`, along cosines."""
    top = _RISE * steps - 1
    if step <= top:
        return _between(begin, peak, step / top)
    return _between(peak, end, (step - top) / (steps - 1 - top))


def _between(one: float, other: float, share: float) -> float:
    return other + (one - other) * (1 + math.cos(math.pi * share)) / 2
