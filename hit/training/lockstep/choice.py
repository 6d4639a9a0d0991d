"""How many models make a block on a device, and how their layers are computed there."""

__all__ = ["BlockChoice", "choose_block"]

from dataclasses import dataclass
from pathlib import Path

from hit.config import TrainConfig
from hit.data import Split
from hit.training.lockstep.stacked_layers import OneByOne, StackedLayers

#: Models in a block on the CPU, where nothing is gained by more.
_ON_CPU = 16


@dataclass(frozen=True)
class BlockChoice:
    """What a block is made of.

    Attributes:
        members: M, at most.
        strategy: how stacked layers are computed.
    """

    members: int
    strategy: type[StackedLayers]


def choose_block(config: TrainConfig, train: Split, *, most: int, folder: Path | None = None) -> BlockChoice:
    """How models of this config are best trained together on the device of the images.

    Args:
        config: any of theirs.
        train: images in memory, on the device.
        most: how many there are to train.
        folder: where measurements of this machine are remembered; None: nowhere.
    """
    return BlockChoice(max(1, min(most, _ON_CPU)), OneByOne)
