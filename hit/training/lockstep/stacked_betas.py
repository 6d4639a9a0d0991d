"""Which β weigh the rates of many models at once: what `hit.training.beta_policies` is for one."""

__all__ = ["StackedBeta", "StackedControlledBeta", "StackedFixedBeta", "StackedSampledBeta", "stack_policies"]

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from hit.config import TrainConfig
from hit.data import Split
from hit.models import HierarchicalVAE, Pass
from hit.training.beta_policies import BetaPolicy, ControlledBeta, SampledBeta
from hit.training.beta_sampling import free_nats, loss_scale, ramp, spared
from hit.training.controller_plan import ControllerPlan
from hit.training.learning_rate import step_size
from hit.training.lockstep.held_out import log_gaps
from hit.training.lockstep.layers import StackedLayers
from hit.training.objective import objective, warmup_factor, warmup_factors
from hit.training.rate_controller import (
    ControllerState,
    integral_gain,
    log_betas,
    next_state,
    pressures,
    strength,
)


class StackedBeta(ABC):
    """Which β weigh the rates of M models. Its tensors keep their memory: they are changed in place.

    Args:
        policies: of each model alone; they are told how each epoch ended.
        configs: of each model.
        device: where the models are.
    """

    def __init__(
        self, policies: Sequence[BetaPolicy], configs: Sequence[TrainConfig], device: torch.device | str
    ) -> None:
        self.policies = tuple(policies)
        self._configs = tuple(configs)
        self._warmth = torch.ones(len(configs), dtype=torch.float64, device=device)

    @property
    def state(self) -> tuple[Tensor, ...]:
        """All that a step changes."""
        return ()

    def begin_epoch(self, epoch: int, sizes: Sequence[int]) -> None:
        """An epoch, counted from 0, begins, of batches of these sizes."""
        for policy in self.policies:
            policy.begin_epoch(epoch)
        self._warmth.copy_(
            torch.tensor([warmup_factor(config, epoch) for config in self._configs], dtype=torch.float64)
        )

    def step_numbers(self, steps: range, whole: int) -> Tensor:
        """What the policy knows of steps by their number alone, steps × M × anything, float64, on the CPU.

        Args:
            steps: of an epoch, counted from 0 over the whole training.
            whole: steps of the whole training.
        """
        return torch.zeros(len(steps), len(self._configs), 0, dtype=torch.float64)

    @abstractmethod
    def inputs(self, places: Tensor, numbers: Tensor) -> tuple[Tensor, ...]:
        """What `losses` takes of every model, each M × anything.

        Args:
            places: of the batches' images in the order of the epoch, (batch,).
            numbers: the step's of `step_numbers`, M × anything.
        """

    def arguments(self, x: Tensor, noise: tuple[Tensor, ...], *inputs: Tensor) -> tuple[Any, ...]:
        """What one model is called with.

        Args:
            x: prepared images of its batch.
            noise: of every layer.
            inputs: its rows of `inputs()`.
        """
        return x, noise

    @abstractmethod
    def losses(self, outcome: Pass, *inputs: Tensor) -> Tensor:
        """What one model minimises of every image of a batch, (batch,).

        Args:
            outcome: one pass of the batch.
            inputs: the model's rows of `inputs`.
        """

    def after_step(self, rates: Tensor, numbers: Tensor, weight: float) -> None:  # noqa: B027 - most have no use for it
        """A step was made.

        Args:
            rates: R_1 … R_L of the batches, mean nats per image, (M, L).
            numbers: the step's of `step_numbers`, M × anything.
            weight: size of the batches relative to whole ones.
        """

    def end_epoch(self, layers: StackedLayers, train: Split, frozen: Sequence[bool]) -> None:  # noqa: B027
        """An epoch is over: give each model's policy its state, but those of frozen ones; most have none.

        Args:
            layers: the models as they are now.
            train: the whole training set.
            frozen: whether each model is out.
        """

    def told(self, index: int, model: HierarchicalVAE, metrics: Mapping[str, float]) -> dict[str, float]:
        """Further metrics of one model's epoch, by schema names; called after `end_epoch`.

        Args:
            index: of the model.
            model: as it is now.
            metrics: of its epoch.
        """
        return self.policies[index].end_epoch(model, metrics)

    def take_over(self, index: int, tensors: Mapping[str, Tensor]) -> None:
        """Take one model's state from tensors of a checkpoint."""
        self.policies[index].restore(tensors)


class StackedFixedBeta(StackedBeta):
    """β of each config, from the first step to the last."""

    def __init__(
        self, policies: Sequence[BetaPolicy], configs: Sequence[TrainConfig], device: torch.device | str
    ) -> None:
        super().__init__(policies, configs, device)
        self._asked = torch.tensor([config.betas for config in configs], device=device)
        self._betas = self._asked.clone()

    def begin_epoch(self, epoch: int, sizes: Sequence[int]) -> None:
        super().begin_epoch(epoch, sizes)
        factors = [warmup_factors(config, epoch) for config in self._configs]
        self._betas.copy_(self._asked * self._asked.new_tensor(factors))

    def inputs(self, places: Tensor, numbers: Tensor) -> tuple[Tensor, ...]:
        return (self._betas,)

    def losses(self, outcome: Pass, *inputs: Tensor) -> Tensor:
        return objective(outcome, inputs[0])


class StackedControlledBeta(StackedBeta):
    """β that each model's controller moves until its rates meet its targets.

    The targets of all models are of the same layers, groups or total.
    """

    policies: tuple[ControlledBeta, ...]

    def __init__(
        self, policies: Sequence[ControlledBeta], configs: Sequence[TrainConfig], device: torch.device | str
    ) -> None:
        super().__init__(policies, configs, device)
        plans = [policy.controller.plan for policy in policies]
        self._ends = plans[0].ends
        assert all(plan.ends == self._ends for plan in plans)
        self._plans = tuple(torch.stack([getattr(plan, name) for plan in plans]) for name in _PLAN)
        self._sums = self._plans[_PLAN.index("sums")]
        self._log_gaps = torch.zeros(0)
        states = [policy.controller.state for policy in policies]
        self._states = tuple(torch.stack([getattr(state, name) for state in states]) for name in _STATE)

    @property
    def state(self) -> tuple[Tensor, ...]:
        return self._states

    def step_numbers(self, steps: range, whole: int) -> Tensor:
        numbers = [
            [(*self._strength_and_gain(index, step, whole), step / whole) for index in range(len(self._configs))]
            for step in steps
        ]
        return torch.tensor(numbers, dtype=torch.float64)

    def inputs(self, places: Tensor, numbers: Tensor) -> tuple[Tensor, ...]:
        return self._known(numbers)

    def _known(self, numbers: Tensor) -> tuple[Tensor, ...]:
        return (numbers[:, 2], self._warmth.float(), *self._plans, *self._states)

    def losses(self, outcome: Pass, *inputs: Tensor) -> Tensor:
        share, warmth, plan, state = self._parted(*inputs)
        rates = torch.stack([rate.detach().mean() for rate in outcome.rates])
        betas = log_betas(plan, state).exp().float() * warmth
        return objective(outcome, betas + warmth * pressures(plan, state, rates, share).float())

    def after_step(self, rates: Tensor, numbers: Tensor, weight: float) -> None:
        def following(rates: Tensor, numbers: Tensor, *inputs: Tensor) -> tuple[Tensor, ...]:
            _, _, plan, state = self._parted(*inputs)
            after = next_state(plan, state, rates, numbers[0], weight, numbers[1])
            return tuple(getattr(after, name) for name in _STATE)

        moved = torch.func.vmap(following)(rates, numbers, *self._known(numbers))
        for own, after in zip(self._states, moved, strict=True):
            own.copy_(after)

    def end_epoch(self, layers: StackedLayers, train: Split, frozen: Sequence[bool]) -> None:
        for policy, out, *own in zip(self.policies, frozen, *self._states, strict=True):
            if not out:
                policy.controller.state = ControllerState(*(value.clone() for value in own))
        seeds = [config.seed for config in self._configs]
        parts = [policy.held_out for policy in self.policies]
        shrunk = [policy.shrinks_gaps for policy in self.policies]
        self._log_gaps = log_gaps(parts, layers, train, seeds, self._sums, shrunk)

    def told(self, index: int, model: HierarchicalVAE, metrics: Mapping[str, float]) -> dict[str, float]:
        further = self.policies[index].learn_gaps(self._log_gaps[index], metrics)
        self._adopt(index)
        return further

    def take_over(self, index: int, tensors: Mapping[str, Tensor]) -> None:
        super().take_over(index, tensors)
        self._adopt(index)

    def _adopt(self, index: int) -> None:
        """Take one model's state from its policy."""
        state = self.policies[index].controller.state
        for own, name in zip(self._states, _STATE, strict=True):
            own[index].copy_(getattr(state, name))

    def _parted(self, *inputs: Tensor) -> tuple[Tensor, Tensor, ControllerPlan, ControllerState]:
        share, warmth, *rest = inputs
        return share, warmth, ControllerPlan(self._ends, *rest[: len(_PLAN)]), ControllerState(*rest[len(_PLAN) :])

    def _strength_and_gain(self, index: int, step: int, whole: int) -> tuple[float, float]:
        config = self._configs[index]
        share = step_size(config.schedule, 1.0, step, whole)
        begun = self.policies[index].controller.begun
        return strength(step, begun, share, whole, config.learning_rate), integral_gain(step, whole)


class StackedSampledBeta(StackedBeta):
    """β drawn anew for every image of every batch, which each model is told of: surfaces."""

    policies: tuple[SampledBeta, ...]

    def __init__(
        self, policies: Sequence[SampledBeta], configs: Sequence[TrainConfig], device: torch.device | str
    ) -> None:
        super().__init__(policies, configs, device)
        self._betas = torch.zeros(0, device=device)
        self._powers = torch.tensor([policy.loss_power for policy in policies], device=device)

    def begin_epoch(self, epoch: int, sizes: Sequence[int]) -> None:
        super().begin_epoch(epoch, sizes)
        steps = range(epoch * len(sizes), (epoch + 1) * len(sizes))
        drawn = torch.stack(
            [torch.cat([policy.draw(*one) for one in zip(sizes, steps, strict=True)]) for policy in self.policies]
        )
        if not len(self._betas):
            self._betas = torch.empty_like(drawn, device=self._betas.device)
        self._betas.copy_(drawn)

    def step_numbers(self, steps: range, whole: int) -> Tensor:
        numbers = [(ramp(step, whole), free_nats(step, whole)) for step in steps]
        return torch.tensor(numbers, dtype=torch.float64)[:, None].expand(-1, len(self._configs), 2)

    def inputs(self, places: Tensor, numbers: Tensor) -> tuple[Tensor, ...]:
        betas = self._betas.index_select(1, places)
        share, free = (self._warmth * numbers[:, 0]).to(betas.dtype), numbers[:, 1].to(betas.dtype)
        return betas, share, free, self._powers

    def arguments(self, x: Tensor, noise: tuple[Tensor, ...], *inputs: Tensor) -> tuple[Any, ...]:
        return x, inputs[0], noise

    def losses(self, outcome: Pass, *inputs: Tensor) -> Tensor:
        betas, share, free, power = inputs
        return objective(outcome, spared(betas * share, outcome.rates, free)) / loss_scale(betas, power)


#: Fields that are tensors.
_PLAN = [entry.name for entry in fields(ControllerPlan) if entry.name != "ends"]
_STATE = [entry.name for entry in fields(ControllerState)]


def stack_policies(
    policies: Sequence[BetaPolicy], configs: Sequence[TrainConfig], device: torch.device | str
) -> StackedBeta:
    """The policies of M models, all of one kind, as one."""
    sampled = [policy for policy in policies if isinstance(policy, SampledBeta)]
    if sampled:
        assert len(sampled) == len(policies)
        return StackedSampledBeta(sampled, configs, device)
    controlled = [policy for policy in policies if isinstance(policy, ControlledBeta)]
    if controlled:
        assert len(controlled) == len(policies)
        return StackedControlledBeta(controlled, configs, device)
    return StackedFixedBeta(policies, configs, device)
