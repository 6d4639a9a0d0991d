"""Many models of one architecture trained together on one device, each as it would be alone."""

__all__ = ["BlockChoice", "LockstepTraining", "Member", "MemberEpoch", "block_key", "choose_block"]

from hit.training.lockstep.block import LockstepTraining
from hit.training.lockstep.choice import BlockChoice, choose_block
from hit.training.lockstep.member import Member, MemberEpoch, block_key
