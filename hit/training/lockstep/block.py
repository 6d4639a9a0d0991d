"""Many models of one architecture trained together, each with batches, noise, β and a step size of its own."""

__all__ = ["LockstepTraining"]

import math
import time
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from hit.data import Split
from hit.errors import ConfigError, Diverged
from hit.models import HierarchicalVAE
from hit.models.likelihood_fit import fit_likelihood
from hit.processes.memory import memory_is_told
from hit.training.beta_policies import BetaPolicy, ControlledBeta, choose_policy
from hit.training.lockstep.captured import capturable
from hit.training.lockstep.layers import OneByOne, StackedLayers
from hit.training.lockstep.member import Member, MemberEpoch, block_key
from hit.training.lockstep.stacked_betas import stack_policies
from hit.training.lockstep.static_step import StaticStep
from hit.training.loop import epoch_metrics, not_finite
from hit.training.objective import gumbel_temperature
from hit.training.rate_controller import RateController


class LockstepTraining:
    """A block of M models that take each step together.

    Each model's numbers are those that it has alone (`hit.training.fit`), but for the order in which sums are added up:
    its batches and noise come from generators seeded with its own (seed, epoch). No number of one model reaches
    another. Everything is kept on one device, and read once an epoch.

    Args:
        members: with equal the same `block_key`; their models are trained in place, and are not to be moved.
        train: images in memory, on the device of the models.
        strategy: how stacked layers are computed; None: one after the other.
        captured: whether steps are captured as CUDA graphs; None: where the device is one of CUDA.
        policies: which β weigh each member's rates, all of one kind; None: `hit.training.beta_policies.choose_policy`.

    Attributes:
        members: the same.
        frozen: whether each member is out: it stays as it was when it was frozen.

    Raises:
        ConfigError: members that cannot be in one block, another device, or streamed images.
    """

    def __init__(
        self,
        members: Sequence[Member],
        train: Split,
        *,
        strategy: type[StackedLayers] | None = None,
        captured: bool | None = None,
        policies: Sequence[BetaPolicy] | None = None,
    ) -> None:
        self.members = tuple(members)
        _check(self.members, train)
        configs = [member.config for member in members]
        for member in members:
            fit_likelihood(member.model.likelihood, train)
            member.model.train()
        self._given = policies
        chosen = policies or [choose_policy(member.config, member.model, train) for member in members]
        self._layers = (strategy or OneByOne)([member.model for member in members])
        self._policy = stack_policies(chosen, configs, train.device)
        self._captured = capturable(train.device) if captured is None else captured
        self._step = StaticStep(self._layers, self._policy, configs, train, captured=self._captured)
        self._train = train
        self.frozen = [False] * len(members)
        self._kept: dict[int, dict[str, Tensor]] = {}

    @memory_is_told
    def run_epoch(
        self,
        epoch: int,
        check: Callable[[], None] = lambda: None,
        after_step: Callable[[], None] = lambda: None,
    ) -> list[MemberEpoch | None]:
        """Train all members that are not frozen for one epoch; what each would tell of it, None of a frozen one.

        A member whose objective is not finite has diverged, and is frozen.

        Args:
            epoch: counted from 0, the same for all members.
            check: called before every step; raises to stop, after which no state but that of the last epoch is whole.
            after_step: called after every step, which may still be under way on the device.

        Raises:
            OutOfMemory: the block does not fit into memory.
        """
        started = time.perf_counter()
        sums = self._step.run_epoch(epoch, self.frozen, check, after_step)
        means = (sums / self._step.images).tolist()
        self._policy.end_epoch(self._layers, self._train, self.frozen)
        told: list[MemberEpoch | None] = []
        for index, (member, row) in enumerate(zip(self.members, means, strict=True)):
            told.append(None if self.frozen[index] else self._epoch_of(index, member, epoch, row))
        seconds = time.perf_counter() - started
        for index, one in enumerate(told):
            if one is not None:
                one.metrics["train/seconds"] = seconds
                if one.diverged is not None:
                    self.freeze(index)
        return told

    def freeze(self, index: int) -> None:
        """Take a member out: its weights stay as they are, and `state` gives that of now."""
        if not self.frozen[index]:
            self._kept[index] = self._step.state(index)
            self.frozen[index] = True
            self._step.hold(index)

    def state(self, index: int) -> dict[str, Tensor]:
        """All that a member needs to go on, alone or in another block, by the names of `save_state`; on the CPU."""
        return self._kept[index] if self.frozen[index] else self._step.state(index)

    def load_state(self, index: int, state: Mapping[str, Tensor]) -> None:
        """Take a member's state from a checkpoint (`hit.training.checkpoints.load_state`), of a block or alone.

        Raises:
            CheckpointError: it is another model's.
        """
        self._step.load_state(index, state)

    def model(self, index: int) -> HierarchicalVAE:
        """A member's model with its weights as they are now, not copied: they change with the next epoch."""
        return self.members[index].model

    def seconds_per_step(self, steps: int = 10) -> float:
        """What a step of all takes here, measured by so many; the block is to be dropped then."""
        return self._step.seconds(steps)

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return self._step.steps

    def policy(self, index: int) -> BetaPolicy:
        """What weighs a member's rates, as it was at the end of the last epoch."""
        return self._policy.policies[index]

    def final_betas(self, index: int) -> tuple[float, ...]:
        """β_1 … β_L that a member ends with (`hit.training.FitResult.betas`)."""
        return self._policy.policies[index].final_betas

    def controller(self, index: int) -> RateController | None:
        """What moved a member's β; None without rate targets (`hit.training.FitResult.controller`)."""
        policy = self._policy.policies[index]
        return policy.controller if isinstance(policy, ControlledBeta) else None

    def without_frozen(self) -> "LockstepTraining":
        """The members that are not frozen as a smaller block, which goes on where they are; this one is done with.

        Raises:
            ConfigError: all are frozen.
        """
        left = [index for index, out in enumerate(self.frozen) if not out]
        states = [self.state(index) for index in left]
        block = LockstepTraining(
            [self.members[index] for index in left],
            self._train,
            strategy=type(self._layers),
            policies=None if self._given is None else [self._given[index] for index in left],
        )
        for index, state in enumerate(states):
            block.load_state(index, state)
        return block

    def _epoch_of(self, index: int, member: Member, epoch: int, row: list[float]) -> MemberEpoch:
        metrics = epoch_metrics(row)
        policy, config = self._policy.policies[index], member.config
        if not math.isfinite(metrics["train/objective"]):
            setting = f"learning_rate {config.learning_rate:g}, {policy}"
            return MemberEpoch(
                epoch + 1, metrics, Diverged(not_finite("train/objective", epoch, config.epochs, setting))
            )
        metrics |= self._policy.told(index, member.model, metrics)
        if (temperature := gumbel_temperature(config, epoch)) is not None:
            metrics["train/temperature"] = temperature
        return MemberEpoch(epoch + 1, metrics)


def _check(members: Sequence[Member], train: Split) -> None:
    if not members:
        raise ConfigError("members must be one model or more, got none")
    if not isinstance(train, Split):
        raise ConfigError(f"images must be in memory to train many models together, got {train!r}")
    if len({block_key(member.config) for member in members}) > 1:
        raise ConfigError(
            "members must share architecture, data, objective, batch_size, epochs and the layers of rate targets, "
            "got others"
        )
    for member in members:
        device = next(member.model.parameters()).device
        if device.type != train.device.type:
            raise ConfigError(f"models and images must be on one device, got {device} and {train.device}")
