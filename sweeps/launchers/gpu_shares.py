"""The share of a GPU that a training takes, by the memory that the first of its kind has taken, alone on one."""

__all__ = ["FILE", "GpuShares", "Gpus", "gpus_of"]

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hit.config import TrainConfig
from hit.config.field_roles import Role, role_of
from hit.processes.memory import USABLE_SHARE, GpuMemory
from hit.processes.remembered import remember, remembered
from hit.schema.hashing import identity_hash

_LOG = logging.getLogger(__name__)

#: File in which measurements are remembered.
FILE = "gpu_memory.json"
#: Beside architecture and data, what decides how much memory a training and its evaluation take.
_DECIDING = ("batch_size", "precision", "metrics")
_KIND = "accelerator_type:"
#: Shares as Ray counts them.
_PER_GPU = 10_000


@dataclass(frozen=True)
class Gpus:
    """The GPUs of a cluster.

    Attributes:
        names: of their kinds, as Ray has them.
        count: how many there are.
    """

    names: str
    count: int


def gpus_of(resources: Mapping[str, float]) -> Gpus:
    """The GPUs among what a cluster of Ray has.

    >>> gpus_of({"CPU": 8.0, "GPU": 4.0, "accelerator_type:A100": 1.0})
    Gpus(names='A100', count=4)
    """
    names = sorted(name.removeprefix(_KIND) for name in resources if name.startswith(_KIND))
    return Gpus(", ".join(names), int(resources.get("GPU", 0)))


class GpuShares:
    """Which share of a GPU each training gets.

    The first trainings of a kind get whole GPUs, one for each GPU that there is; the others wait for what these show.
    A kind is an architecture with its data, batch size, precision and metrics. What it takes is remembered by kind and
    by the GPUs that there are, and of a GPU's memory 0.8 is given away.

    Args:
        file: where measurements are remembered.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._measured: dict[str, float] = {}
        #: Training that has a whole GPU to show what it takes → its kind.
        self._showing: dict[str, str] = {}

    def take(self, identity: str, config: TrainConfig, gpus: Gpus) -> float | None:
        """The share of a training that is to begin; None: it is to wait for what others show.

        Args:
            identity: of the training; `end` is told of it.
            config: of the training.
            gpus: those that there are.
        """
        if config.device == "cpu":
            return 0.0
        kind = _kind(config, gpus)
        if known := self._measured.get(kind) or _share(remembered(self._file).get(kind)):
            self._measured[kind] = known
            return known
        if list(self._showing.values()).count(kind) >= max(1, gpus.count):
            return None
        self._showing[identity] = kind
        return 1.0

    def end(self, identity: str, memory: GpuMemory | None) -> None:
        """A training has ended.

        Args:
            identity: of the training.
            memory: what it took of its GPU, where it came to its end.
        """
        kind = self._showing.pop(identity, None)
        if memory is None or kind is None or kind in self._measured:
            return
        self._measured[kind] = share = _share(vars(memory)) or 1.0
        remember(self._file, kind, vars(memory))
        gib = f"{memory.taken / 2**30:.2f} of {memory.total / 2**30:.1f} GiB"
        _LOG.info(f"a training took {gib} of its GPU: {max(1, int(1 / share))} share one from here on")


def _kind(config: TrainConfig, gpus: Gpus) -> str:
    deciding = {
        name: str(value)
        for name, value in config.to_flat().items()
        if name in _DECIDING or role_of(name) in (Role.DATA, Role.ARCHITECTURE)
    }
    return f"{gpus.names or 'GPU'}, {identity_hash(deciding)}"


def _share(memory: Any) -> float | None:
    """Of what was remembered; None of what is no measurement.

    >>> _share({"taken": 1000, "total": 5000}), _share({"taken": 5000, "total": 5000}), _share("")
    (0.25, 1.0, None)
    """
    if not isinstance(memory, dict):
        return None
    taken, total = memory.get("taken"), memory.get("total")
    if type(taken) is not int or type(total) is not int or not 0 < taken <= total:
        return None
    return min(_PER_GPU, math.ceil(_PER_GPU * taken / (USABLE_SHARE * total))) / _PER_GPU
