"""A member of a block: one model with its own config, and what it must share with the others."""

__all__ = ["Member", "MemberEpoch", "block_key"]

from collections.abc import Hashable
from dataclasses import dataclass

from hit.config import TrainConfig
from hit.config.field_roles import Role, is_layered, role_of
from hit.errors import Diverged
from hit.models import HierarchicalVAE

#: Of a training, these may differ within a block, each number its own.
_OWN = ("learning_rate", "schedule", "warmup")
_SHARED = (Role.DATA, Role.ARCHITECTURE, Role.OBJECTIVE, Role.TRAINING)


@dataclass(frozen=True)
class Member:
    """One model that is trained in a block.

    Attributes:
        config: what to do; seed, β, rate targets, step size, its schedule and warm-up are its own.
        model: on the device of the block, with the weights to begin with.
    """

    config: TrainConfig
    model: HierarchicalVAE


@dataclass(frozen=True)
class MemberEpoch:
    """One epoch of one member.

    Attributes:
        number: counted from 1.
        metrics: those that `hit.training.fit` tells of an epoch, in schema names; `train/seconds` is that of the block.
        diverged: why the member ends here; None where it goes on.
    """

    number: int
    metrics: dict[str, float]
    diverged: Diverged | None = None


def block_key(config: TrainConfig) -> Hashable:
    """What models must have in common to be trained in one block: equal keys may stand in one.

    Architecture, data, objective, batch size and epochs; and where there are rate targets, of which layers and groups.
    """
    flat = config.to_flat()
    shared = {
        name: value
        for name, value in flat.items()
        if name not in _OWN and not is_layered(name) and role_of(name) in _SHARED
    }
    groups = tuple(str(group) for group, _ in config.targets.groups) if config.targets else None
    return tuple(sorted(shared.items())), groups
