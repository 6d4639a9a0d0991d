"""Adam's step size as a function of the step alone, so that a resumed run needs no memory of it."""

__all__ = ["apply_schedule", "scheduled", "step_size", "warmup_cosine"]

import math

import torch

from hit.config import TrainConfig
from hit.training.controller_plan import presses

#: One cycle, as torch's OneCycleLR by default: the share of steps that rise, and by how much it begins and ends lower.
_RISE, _BEGIN, _END = 0.3, 25.0, 1e4
_MOMENTUM_LOW, _MOMENTUM_HIGH = 0.85, 0.95
#: The share of steps after which a constant step size falls where rates of many layers are to meet their targets.
_SETTLE = 0.5
#: The share of steps in which a classifier's step size rises.
_WARM_UP = 0.1


def step_size(schedule: str, peak: float, step: int, steps: int) -> float:
    """The step size at `step` (counted from 0) of `steps`.

    - constant: the peak;
    - cosine: peak · (1 + cos(π step / steps)) / 2;
    - one_cycle: from peak / 25 up to the peak over the first 30 % of the steps, then down to peak / 250,000, along
      cosines (https://arxiv.org/abs/1708.07120), as `torch.optim.lr_scheduler.OneCycleLR` does by default.

    >>> [step_size("cosine", 1.0, step, 4) for step in (0, 2)]
    [1.0, 0.5]
    """
    if schedule == "constant":
        return peak
    if schedule == "cosine":
        return peak * (1 + math.cos(math.pi * step / steps)) / 2
    low, last = peak / _BEGIN, peak / _BEGIN / _END
    return _cycle(step, steps, low, peak, last)


def scheduled(config: TrainConfig, peak: float, step: int, steps: int) -> float:
    """The step size of a training at `step`: that of its schedule, which may settle.

    With a constant step size the rates of three layers or more differ by 5 to 25 % from one step to the next, whatever
    β is, and so do those of the weights that happen to be the last. Where targets press for them, it therefore falls
    along a cosine over the second half of the steps.

    Args:
        config: of the training.
        peak: the step size that the schedule is of.
        step: counted from 0.
        steps: of the whole training.

    >>> config = TrainConfig.from_flat({"z_dims": "4,5", "target_rate_1": 9})
    >>> [round(scheduled(config, 1.0, step, 8), 3) for step in (0, 4, 6, 7)]
    [1.0, 1.0, 0.5, 0.146]
    """
    settled = round(_SETTLE * steps)
    if config.schedule == "constant" and step > settled and presses(config):
        return step_size("cosine", peak, step - settled, steps - settled)
    return step_size(config.schedule, peak, step, steps)


def apply_schedule(optimiser: torch.optim.Optimizer, config: TrainConfig, step: int, steps: int) -> None:
    """Set what Adam takes its next step with; one cycle moves its first momentum against the step size."""
    if config.schedule == "constant" and not presses(config):
        return
    for group in optimiser.param_groups:
        group["lr"] = scheduled(config, config.learning_rate, step, steps)
        if config.schedule == "one_cycle":
            momentum = _cycle(step, steps, _MOMENTUM_HIGH, _MOMENTUM_LOW, _MOMENTUM_HIGH)
            group["betas"] = (momentum, *group["betas"][1:])


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
