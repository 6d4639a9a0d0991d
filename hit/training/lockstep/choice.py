"""How many models make a block on a device, and how their layers are computed there: measured once, and remembered."""

__all__ = ["BlockChoice", "choose_block"]

import logging
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from hit.config import TrainConfig
from hit.data import Split
from hit.errors import OutOfMemory
from hit.models import build_model
from hit.processes.memory import USABLE_SHARE
from hit.processes.remembered import remember, remembered
from hit.schema.hashing import identity_hash
from hit.training.lockstep.block import LockstepTraining
from hit.training.lockstep.layers import STRATEGIES, OneByOne, StackedLayers
from hit.training.lockstep.member import Member, block_key

_LOG = logging.getLogger(__name__)

#: File in which measurements of a machine are remembered.
FILE = "lockstep.json"
#: Models in a block on the CPU, where nothing is gained by more.
_ON_CPU = 16
#: Models by which strategies are compared.
_COMPARED = 64


@dataclass(frozen=True)
class BlockChoice:
    """What a block is made of.

    Attributes:
        members: M, at most.
        strategy: how stacked layers are computed.
    """

    members: int
    strategy: type[StackedLayers]


@dataclass(frozen=True)
class _Measured:
    """What a strategy takes: seconds and bytes a step and model."""

    strategy: str
    seconds: float
    bytes: float


def choose_block(config: TrainConfig, train: Split, *, most: int, folder: Path | None = None) -> BlockChoice:
    """How models of this config are best trained together on the device of the images.

    On a GPU each strategy takes a few steps of up to 64 models, which is remembered by device, PyTorch, architecture
    and the number of models that were compared. A block has as many models as fit into 0.8 of the memory that is free;
    several blocks have about the same number. On the CPU, where stacked models gain nothing, models are computed one
    after the other, and nothing is measured.

    Args:
        config: any of theirs.
        train: images in memory, on the device.
        most: how many there are to train.
        folder: where measurements of this machine are remembered; None: nowhere.
    """
    if not is_measured(train.device):
        return BlockChoice(_even(most, _ON_CPU), OneByOne)
    compared = min(most, _COMPARED)
    key = _key(config, train, compared)
    best = _remembered(folder, key)
    if best is None:
        best = _measured_best(config, train, compared)
        _remember(folder, key, best)
    free, _ = torch.cuda.mem_get_info(train.device)
    return BlockChoice(_even(most, int(USABLE_SHARE * free / best.bytes)), STRATEGIES[best.strategy])


def is_measured(device: torch.device) -> bool:
    """Whether strategies are compared on a device."""
    return device.type == "cuda"


def _measured_best(config: TrainConfig, train: Split, members: int) -> _Measured:
    """The quickest strategy, by as many models as fit."""
    while True:
        found = [one for name in STRATEGIES if (one := _measured(name, config, train, members)) is not None]
        if found:
            break
        if members == 1:
            raise OutOfMemory("a model and its batches must fit into the memory that is free (batch_size, channels)")
        members = max(1, members // 2)
    found.sort(key=lambda one: one.seconds)
    told = ", ".join(f"{one.strategy} {one.seconds * 1e6:.0f} µs" for one in found)
    _LOG.info(f"{members} models in lockstep take, a step and model: {told}")
    return found[0]


def _measured(name: str, config: TrainConfig, train: Split, members: int) -> _Measured | None:
    """None where the models do not fit, or are not to be computed so."""
    device = train.device
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_reserved(device)
    own = [replace(config, seed=seed) for seed in range(members)]
    try:
        models = [Member(one, build_model(one, train.shape).to(device)) for one in own]
        block = LockstepTraining(models, train, strategy=STRATEGIES[name])
        seconds = block.seconds_per_step()
    except (OutOfMemory, torch.cuda.OutOfMemoryError):
        return None
    except Exception as error:  # Triton raises errors of its own, and others where it finds no compiler
        if name == OneByOne.name:
            raise  # a model that cannot be trained alone cannot be in a block
        _LOG.info(f"models are not computed by the strategy {name}: {str(error).partition(chr(10))[0]}")
        return None
    return _Measured(name, seconds / members, max(1, torch.cuda.max_memory_reserved(device) - before) / members)


def _key(config: TrainConfig, train: Split, members: int) -> str:
    device = torch.cuda.get_device_name(train.device)
    what = {"models": repr(block_key(config)), "shape": list(train.shape), "members": members}
    return f"{device}, PyTorch {torch.__version__}, {identity_hash(what)}"


def _remembered(folder: Path | None, key: str) -> _Measured | None:
    one = {} if folder is None else remembered(folder / FILE).get(key)
    if not isinstance(one, dict) or one.get("strategy") not in STRATEGIES:
        return None
    seconds, size = one.get("seconds"), one.get("bytes")
    if not (isinstance(seconds, float) and isinstance(size, float) and size > 0):
        return None
    return _Measured(one["strategy"], seconds, size)


def _remember(folder: Path | None, key: str, best: _Measured) -> None:
    if folder is not None:
        remember(folder / FILE, key, vars(best))


def _even(most: int, fitting: int) -> int:
    """Models a block, where `most` are parted into as few blocks of at most `fitting` as can be.

    >>> _even(441, 300), _even(441, 1000), _even(3, 0)
    (221, 441, 1)
    """
    blocks = -(-most // max(1, fitting))
    return -(-most // max(1, blocks))
