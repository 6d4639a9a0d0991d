"""Many models trained together, each in a run of its own."""

__all__ = ["BlockMember", "train_block"]

from hit.runs.blocks.block_member import BlockMember
from hit.runs.blocks.block_run import train_block
