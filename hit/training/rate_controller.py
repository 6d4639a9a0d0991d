"""The controller that moves β so that rates meet their targets: state and rates in, new state out."""

__all__ = [
    "ControllerPlan",
    "ControllerState",
    "RateController",
    "controller_plan",
    "initial_state",
    "log_betas",
    "next_state",
    "saturated",
    "strength",
]

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hit.config import TrainConfig
from hit.config.rate_targets import BETA_HIGH, BETA_LOW, FAR_ABOVE
from hit.errors import ConfigError
from hit.training.learning_rate import step_size
from hit.training.objective import warmup_factor

#: Nepers that log β is pulled by for a relative error of one neper, and that it moves by for good at every step.
PROPORTIONAL_GAIN, INTEGRAL_GAIN = 3.0, 0.1
#: From this share of training on it moves by so many times as much: layers have learned something by then, and what β
#: went too far by is to be made good in time, also where steps are few.
SWIFT_FROM, SWIFT = 0.25, 4.0
#: These are for weights that Adam moves with this step size. With smaller steps rates follow β later, and a controller
#: that does not wait for them makes them swing, which costs distortion: it is as much slower.
QUICK = 3e-3
#: Steps over which the controller gains its strength, so that the rates of untrained weights do not count.
RAMP_STEPS = 50
#: From this share of training on it loses strength, down to this share of it at the end: where rates answer β sharply
#: or late they swing about their targets, and come to rest as it passes through the strength that suits them.
SETTLING_FROM, SETTLED = 0.5, 0.3
#: It loses it where Adam's step size is below this share of its peak: rates cannot follow β any more.
SLOW = 0.2
#: What is left of an average of relative errors after one batch.
MEMORY = 0.9
#: A batch's error counts as at most this many nepers: whatever the rates, β is pulled by a bounded factor.
ERROR_BOUND = 1.0
#: Errors count as at least and at most this many nepers in what moves β for good. A rate that is too low may be that of
#: a layer that has learned nothing yet, which no β mends at once; one that is too high follows β without delay.
MOVE_DOWN, MOVE_UP = -0.1, 0.5
#: What is left of the average gap between unseen and seen images after one epoch, and what one epoch's is bounded by.
GAP_MEMORY, GAP_BOUND = 0.5, 0.5

#: Of the state's names in checkpoints. They are read by every later version: neither it nor the fields' names change.
_PREFIX = "steering."


@dataclass(frozen=True)
class ControllerPlan:
    """What is controlled, as tensors. Index l − 1 is layer l; in tensors of L + 1 entries the last is the total rate.

    Attributes:
        start: log β_l as asked for, (L,).
        targets: nats per image, (L + 1,); 1 where there is none.
        controlled: which of them there are, (L + 1,).
        low, high: bounds of what log β is moved by, (L + 1,).
        shares: which layers the total's target moves, (L,).
    """

    start: Tensor
    targets: Tensor
    controlled: Tensor
    low: Tensor
    high: Tensor
    shares: Tensor


@dataclass(frozen=True)
class ControllerState:
    """What the controller remembers from one step to the next, each (L + 1,), float64.

    Attributes:
        offsets: what log β has been moved by for good, nepers.
        errors: running average of log(R / target).
        pulls: what log β is moved by in addition while there is an error, nepers.
        gaps: log of the rates of unseen images over those of the images trained on (`hit.training.generalization_gap`).
    """

    offsets: Tensor
    errors: Tensor
    pulls: Tensor
    gaps: Tensor


def controller_plan(config: TrainConfig, device: torch.device | str = "cpu") -> ControllerPlan:
    """The plan of a config's rate targets.

    A target of a layer moves that layer's β. A target of the total rate moves the β of all layers that have no
    exact target of their own by one common factor. An upper bound never lowers β below what was asked for.

    Raises:
        ConfigError: it has none.
    """
    if not config.targets:
        raise ConfigError("config must have a rate target for a controller of β, got none")
    own = config.targets.layers or (None,) * config.layers
    wanted = [*own, config.targets.total]
    start = torch.tensor(config.betas, dtype=torch.float64).log()
    shares = torch.tensor([config.targets.total is not None and (one is None or one.upper) for one in own])
    moved = start[shares] if shares.any() else torch.zeros(1, dtype=torch.float64)
    controlled = torch.tensor([target is not None for target in wanted])
    upper = torch.tensor([target is not None and target.upper for target in wanted])
    low = math.log(BETA_LOW) - torch.cat([start, moved.max().view(1)])
    high = math.log(BETA_HIGH) - torch.cat([start, moved.min().view(1)])
    return ControllerPlan(
        start=start.to(device),
        targets=torch.tensor([1.0 if one is None else one.nats for one in wanted], dtype=torch.float64).to(device),
        controlled=controlled.to(device),
        low=low.where(controlled & ~upper, 0.0).to(device),
        high=high.where(controlled, 0.0).to(device),
        shares=shares.to(device),
    )


def initial_state(plan: ControllerPlan) -> ControllerState:
    """The state before the first step: β as asked for, no error seen."""
    return ControllerState(*(torch.zeros_like(plan.targets) for _ in range(4)))


def log_betas(plan: ControllerPlan, state: ControllerState, *, pulled: bool = True) -> Tensor:
    """log β_1 … log β_L, (L,).

    Args:
        plan: what is controlled.
        state: the controller's.
        pulled: those in force; False gives those at which the rates come to rest, without what errors pull by.
    """
    offsets = (state.offsets + state.pulls).clamp(plan.low, plan.high) if pulled else state.offsets
    moved = plan.start + offsets[:-1] + plan.shares * offsets[-1]
    bounded = moved.clamp(math.log(BETA_LOW), math.log(BETA_HIGH))
    return bounded.where(plan.controlled[:-1] | plan.shares, plan.start)


def strength(
    step: int, begun: int = 0, step_share: float = 1.0, steps: float = math.inf, learning_rate: float = QUICK
) -> float:
    """The controller's strength at `step`, 0 to 1.

    Args:
        step: counted from 0.
        begun: step at which it begins to act; it has its whole strength 50 steps later.
        step_share: Adam's step size as a share of its peak.
        steps: of the whole training.
        learning_rate: Adam's peak step size.
    """
    quick = min(1.0, learning_rate / QUICK)
    settling = max(0.0, step / steps - SETTLING_FROM) / (1 - SETTLING_FROM)
    settled: float = SETTLED**settling
    return quick * settled * min(1.0, max(0, step - begun + 1) / RAMP_STEPS) * min(1.0, step_share / SLOW)


def next_state(
    plan: ControllerPlan,
    state: ControllerState,
    rates: Tensor,
    strength: float = 1.0,
    weight: float = 1.0,
    integral_gain: float = INTEGRAL_GAIN,
) -> ControllerState:
    """The state after a batch: a proportional-integral controller of log β on errors log(R / target).

    errors ← running mean of log(R / target) + gap, the error on unseen images; pulls ← strength · 3 · errors;
    offsets ← offsets + integral gain · strength · errors.
    Relative errors have no unit, so that the same gains serve rates of a tenth of a nat and of thousands, and a
    pull lets go as soon as the rate moves, however long it stood still. Errors are bounded before they are
    averaged, and offsets where β has its bounds: nothing winds up, and nothing overflows.

    Args:
        plan: what is controlled.
        state: before the batch.
        rates: R_1 … R_L of the batch, mean nats per image, (L,).
        strength: of the controller now (`strength`).
        weight: size of the batch relative to a whole one.
        integral_gain: nepers that log β moves by for good for an error of one neper.
    """
    rates = rates.double()
    seen = torch.cat([rates, rates.sum().view(1)])
    memory = MEMORY**weight
    now = ((seen / plan.targets).log() + state.gaps).clamp(-ERROR_BOUND, ERROR_BOUND)
    errors = (memory * state.errors + (1 - memory) * now).where(plan.controlled, 0.0)
    moves = weight * integral_gain * (strength * errors).clamp(MOVE_DOWN, MOVE_UP)
    offsets = (state.offsets + moves).clamp(plan.low, plan.high)
    return ControllerState(offsets, errors, strength * PROPORTIONAL_GAIN * errors, state.gaps)


def saturated(plan: ControllerPlan, state: ControllerState) -> tuple[float | None, ...]:
    """The bound of β at which each of the L + 1 targets stands still, None where it does not.

    The total's stands still where the β of all layers that it moves are at one bound.
    """
    betas = log_betas(plan, state, pulled=False).tolist()
    controlled, shares = plan.controlled.tolist(), plan.shares.tolist()
    movers = [[beta] for beta in betas] + [[beta for beta, shared in zip(betas, shares, strict=True) if shared]]
    return tuple(_common_bound(own) if there else None for own, there in zip(movers, controlled, strict=True))


class RateController:
    """The controller of one training: its plan, its state, and where in the training it is.

    Args:
        config: of the run.
        steps_per_epoch: batches an epoch.
        device: where the model is.

    Raises:
        ConfigError: the config has no rate targets.
    """

    def __init__(self, config: TrainConfig, steps_per_epoch: int, device: torch.device | str = "cpu") -> None:
        self.plan = controller_plan(config, device)
        self.state = initial_state(self.plan)
        self._config = config
        self._steps = config.epochs * steps_per_epoch
        # A ladder's warm-up weighs no rate at first: what the rates are then says nothing of β.
        warm = next(epoch for epoch in range(config.epochs) if warmup_factor(config, epoch) == 1)
        self._begun = warm * steps_per_epoch

    @property
    def betas(self) -> Tensor:
        """β_1 … β_L in force, (L,), float64."""
        return log_betas(self.plan, self.state).exp()

    @property
    def resting_betas(self) -> tuple[float, ...]:
        """β_1 … β_L at which the rates come to rest: those of a run without targets that ends with these rates."""
        return tuple(log_betas(self.plan, self.state, pulled=False).exp().tolist())

    def update(self, rates: Tensor, step: int, images: int) -> None:
        """Learn of the mean rates (L,) of the batch of `step`, counted from 0."""
        share = step_size(self._config.schedule, 1.0, step, self._steps)
        now = strength(step, self._begun, share, self._steps, self._config.learning_rate)
        gain = INTEGRAL_GAIN * (SWIFT if step >= SWIFT_FROM * self._steps else 1.0)
        self.state = next_state(self.plan, self.state, rates, now, images / self._config.batch_size, gain)

    def update_gaps(self, log_gaps: Tensor) -> None:
        """Learn of log(R_unseen / R_seen) of R_1 … R_L and R after an epoch, (L + 1,); averaged over epochs."""
        gaps = GAP_MEMORY * self.state.gaps + (1 - GAP_MEMORY) * log_gaps.clamp(-GAP_BOUND, GAP_BOUND)
        self.state = replace(self.state, gaps=gaps)

    def relative_errors(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """R / target − 1 of every target on unseen images, as far as the training rates and the gaps tell."""
        factors = self.state.gaps.exp().tolist()
        names = [*(f"train/rate_{layer}" for layer in range(1, self._config.layers + 1)), "train/rate"]
        unseen = {name: metrics[name] * factor for name, factor in zip(names, factors, strict=True)}
        return self._config.targets.relative_errors("train", unseen)

    def infeasible(self, metrics: Mapping[str, float]) -> str:
        """Which targets are missed with β at a bound, or by more than half, and by how much; '' where none is.

        A rate that is far from its target has not answered β in the epochs that there were, wherever β is.

        Args:
            metrics: of the test set, by schema names.
        """
        targets = self._config.targets
        bounds = dict(zip(self._names(), saturated(self.plan, self.state), strict=True))
        betas = dict(zip(self._names(), self.resting_betas, strict=False))
        missed = targets.missed(metrics)
        faults = []
        errors = targets.relative_errors("test", metrics)
        for (asked, nats), name in zip(targets.to_flat().items(), errors, strict=True):
            bound = bounds[name]
            if asked not in missed or (bound is None and abs(missed[asked]) <= FAR_ABOVE):
                continue
            rate = name.replace("rate_error", "rate")
            moved = f"beta_{name.rpartition('_')[2]}" if name in betas else "every β that it moves"
            within = f"within its bounds{f', at {betas[name]:.3g}' if name in betas else ''}"
            where = f"with {moved} {within if bound is None else f'at its bound of {bound:g}'}"
            said = f"{rate} is {metrics[rate]:.4g} nats {where}"
            faults.append(f"{asked}={nats:g} is missed by {missed[asked]:+.1%}: {said}")
        return "; ".join(faults)

    def tensors(self) -> dict[str, Tensor]:
        """The state by name, for a checkpoint."""
        return {f"{_PREFIX}{name}": value for name, value in vars(self.state).items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state back from a checkpoint."""
        device = self.plan.start.device
        self.state = ControllerState(**{name: tensors[f"{_PREFIX}{name}"].to(device) for name in vars(self.state)})

    def _names(self) -> list[str]:
        return [*(f"test/rate_error_{layer}" for layer in range(1, self._config.layers + 1)), "test/rate_error"]


def _common_bound(betas: list[float]) -> float | None:
    """The bound at which all of these log β are."""
    for bound in (BETA_LOW, BETA_HIGH):
        if all(math.isclose(beta, math.log(bound), abs_tol=1e-9) for beta in betas):
            return bound
    return None
