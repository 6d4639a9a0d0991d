"""The controller that moves β so that rates meet their targets: state and rates in, new state out."""

__all__ = [
    "ControllerState",
    "RateController",
    "initial_state",
    "integral_gain",
    "log_betas",
    "next_state",
    "pressures",
    "saturated",
    "strength",
]

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hit.config import TrainConfig
from hit.config.rates.rate_targets import BETA_HIGH, BETA_LOW, FAR_ABOVE
from hit.training.controller_plan import ControllerPlan, controller_plan
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
#: What a rate's weight in the loss differs by from β for an error of one neper; as times 1 + β at the end; grown since.
PRESSURE, PRESSURE_AT_THE_END, PRESSING_FROM = 1.0, 6.0, 0.3
#: What is left of the average gap between unseen and seen images after one epoch, and what one epoch's is bounded by.
GAP_MEMORY, GAP_BOUND = 0.5, 0.5
#: Of the state's names in checkpoints. They are read by every later version: neither it nor the fields' names change.
_PREFIX = "steering."


@dataclass(frozen=True)
class ControllerState:
    """What the controller remembers from one step to the next, each (K,), a number a target, float64.

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
    bounded = (plan.start + plan.moves @ offsets).clamp(math.log(BETA_LOW), math.log(BETA_HIGH))
    return bounded.where((plan.moves @ plan.controlled.double()) > 0, plan.start)


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


def integral_gain(step: int, steps: int) -> float:
    """Nepers that log β moves by for good for an error of one neper, at `step` (counted from 0) of `steps`."""
    return INTEGRAL_GAIN * (SWIFT if step >= SWIFT_FROM * steps else 1.0)


def next_state(
    plan: ControllerPlan,
    state: ControllerState,
    rates: Tensor,
    strength: float | Tensor = 1.0,
    weight: float = 1.0,
    integral_gain: float | Tensor = INTEGRAL_GAIN,
) -> ControllerState:
    """The state after a batch: a proportional-integral controller of log β on errors log(R / target).

    errors ← running mean of log(R / target) + gap, the error on unseen images; pulls ← strength · 3 · M errors;
    offsets ← offsets + integral gain · strength · M errors.
    M adds to the error of every layer those of the layers below it (`ControllerPlan.leads`): what a layer holds is
    worth as much as it saves the layer below, so that β_l / β_{l−1} decides how the two part what they hold, and β that
    fall in lockstep part nothing. So a layer's error moves what it holds beside the layer below, and no layer above.
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
    memory = MEMORY**weight
    errors = memory * state.errors + (1 - memory) * relative_errors(plan, state, rates)
    # A layer whose β is at its bound and would move on leads no other: its error says nothing of theirs.
    stuck = ((state.offsets <= plan.low) & (errors < 0)) | ((state.offsets >= plan.high) & (errors > 0))
    leads = plan.leads.where(~stuck | torch.eye(len(errors), dtype=torch.bool, device=errors.device), 0.0)
    moves = weight * integral_gain * leads @ (strength * errors).clamp(MOVE_DOWN, MOVE_UP)
    offsets = (state.offsets + moves).clamp(plan.low, plan.high)
    return ControllerState(offsets, errors, strength * PROPORTIONAL_GAIN * leads @ errors, state.gaps)


def relative_errors(plan: ControllerPlan, state: ControllerState, rates: Tensor) -> Tensor:
    """log(R / target) + gap of one batch, bounded, (K,); 0 where there is no target.

    Args:
        plan: what is controlled.
        state: knows the gaps.
        rates: R_1 … R_L, mean nats per image, (L,).
    """
    logs = (plan.sums @ rates.double() / plan.targets).log() + state.gaps
    return logs.clamp(-ERROR_BOUND, ERROR_BOUND).where(plan.controlled, 0.0)


def pressures(plan: ControllerPlan, state: ControllerState, rates: Tensor, share: float | Tensor = 0.0) -> Tensor:
    """What the weight of each R_l differs by from β_l in the loss of a batch, (L,): p_l times its relative error.

    Near the target the loss has ½ · p_l · target · (R / target − 1)² in addition: it is an augmented Lagrangian
    (https://doi.org/10.1007/BF00927673), whose multipliers are the β. A layer that holds nothing has a weight below
    zero from the first step and wakes; β itself moves slowly, and in layers above others is too small to hold a rate
    that swings. p_l is 1 at first and 6 (1 + β_l) at the end. At the targets, and below upper bounds, it is nothing.

    Args:
        plan: what is controlled.
        state: knows the gaps.
        rates: R_1 … R_L of the batch, mean nats per image, (L,).
        share: of training that is over.
    """
    grown = (torch.as_tensor(share, dtype=torch.float64) - PRESSING_FROM).clamp_min(0.0) / (1 - PRESSING_FROM)
    errors = relative_errors(plan, state, rates).where(plan.pressed, 0.0)
    stiffness = PRESSURE * (PRESSURE_AT_THE_END / PRESSURE) ** grown
    weights: Tensor = stiffness * (1 + grown * log_betas(plan, state).exp()) * (plan.sums.T @ errors)
    return weights


def saturated(plan: ControllerPlan, state: ControllerState) -> tuple[float | None, ...]:
    """The bound of β at which each of the K targets stands still, None where it does not.

    One of several layers' rates stands still where the β of all layers that it moves are at one bound.
    """
    betas = log_betas(plan, state, pulled=False).tolist()
    movers = [
        [beta for beta, moved in zip(betas, column, strict=True) if moved] for column in (plan.moves > 0).T.tolist()
    ]
    return tuple(
        _common_bound(own) if there else None for own, there in zip(movers, plan.controlled.tolist(), strict=True)
    )


class RateController:
    """The controller of one training: its plan, its state, and where in the training it is.

    Args:
        config: of the run.
        steps_per_epoch: batches an epoch.
        device: where the model is.

    Attributes:
        plan: what is controlled.
        state: what it remembers.
        begun: step at which it begins to act.

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
        self.begun = warm * steps_per_epoch

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
        now = strength(step, self.begun, share, self._steps, self._config.learning_rate)
        gain = integral_gain(step, self._steps)
        self.state = next_state(self.plan, self.state, rates, now, images / self._config.batch_size, gain)

    def pressures(self, rates: Tensor, step: int) -> Tensor:
        """What the weights of R_1 … R_L differ by from β in the loss of a batch of these mean rates, (L,)."""
        return pressures(self.plan, self.state, rates, step / self._steps)

    def update_gaps(self, log_gaps: Tensor) -> None:
        """Learn of log(R_unseen / R_seen) of every target's rate after an epoch, (K,); averaged over epochs."""
        gaps = GAP_MEMORY * self.state.gaps + (1 - GAP_MEMORY) * log_gaps.clamp(-GAP_BOUND, GAP_BOUND)
        self.state = replace(self.state, gaps=gaps)

    def relative_errors(self, metrics: Mapping[str, float]) -> dict[str, float]:
        """R / target − 1 of every target on unseen images, as far as the training rates and the gaps tell."""
        factors = dict(zip(self.plan.ends, self.state.gaps.exp().tolist(), strict=True))
        rates = self._config.targets.rates("train", metrics)
        nats = {end: target.nats for end, target in self._config.targets.named()}
        return {f"train/rate_error{end}": rate * factors[end] / nats[end] - 1 for end, rate in rates.items()}

    def infeasible(self, metrics: Mapping[str, float]) -> str:
        """Which targets are missed with β at a bound, or by more than half, and by how much; '' where none is.

        A rate that is far from its target has not answered β in the epochs that there were, wherever β is.

        Args:
            metrics: of the test set, by schema names.
        """
        targets = self._config.targets
        bounds = dict(zip(self.plan.ends, saturated(self.plan, self.state), strict=True))
        betas = {f"_{layer}": beta for layer, beta in enumerate(self.resting_betas, start=1)}
        rates = targets.rates("test", metrics)
        missed = targets.missed(metrics)
        faults = []
        for end, target in targets.named():
            asked = f"{'max' if target.upper else 'target'}_rate{end}"
            bound = bounds[end]
            if asked not in missed or (bound is None and abs(missed[asked]) <= FAR_ABOVE):
                continue
            moved = f"beta{end}" if end in betas else "every β that it moves"
            within = f"within its bounds{f', at {betas[end]:.3g}' if end in betas else ''}"
            where = f"with {moved} {within if bound is None else f'at its bound of {bound:g}'}"
            said = f"test/rate{end} is {rates[end]:.4g} nats {where}"
            faults.append(f"{asked}={target.nats:g} is missed by {missed[asked]:+.1%}: {said}")
        return "; ".join(faults)

    def tensors(self) -> dict[str, Tensor]:
        """The state by name, for a checkpoint."""
        return {f"{_PREFIX}{name}": value for name, value in vars(self.state).items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state back from a checkpoint."""
        device = self.plan.start.device
        self.state = ControllerState(**{name: tensors[f"{_PREFIX}{name}"].to(device) for name in vars(self.state)})


def _common_bound(betas: list[float]) -> float | None:
    """The bound at which all of these log β are."""
    for bound in (BETA_LOW, BETA_HIGH):
        if all(math.isclose(beta, math.log(bound), abs_tol=1e-9) for beta in betas):
            return bound
    return None
