"""The memory of this machine, and the refusals of allocators as one line."""

__all__ = [
    "USABLE_SHARE",
    "GpuMemory",
    "as_refusal",
    "free_memory",
    "gpu_memory_taken",
    "memory_is_told",
    "memory_of",
    "short_of_memory",
]

import contextlib
import functools
import gc
import os
import re
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from hit.errors import OutOfMemory, UserError, shown

if TYPE_CHECKING:
    import torch

ArgumentsT = ParamSpec("ArgumentsT")
AnswerT = TypeVar("AnswerT")

#: Of the memory of a GPU, what trainings may take together.
USABLE_SHARE = 0.8
#: Bounds of a container, of either version of Linux's control groups.
_CONTAINER = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_SHORT = re.compile(r"can't allocate memory|out of memory|not enough memory|alloc_failed", re.IGNORECASE)


@dataclass(frozen=True)
class GpuMemory:
    """Memory of a GPU.

    Attributes:
        taken: bytes that were in use at most.
        total: bytes that it has.
    """

    taken: int
    total: int


def gpu_memory_taken() -> GpuMemory | None:
    """What this process has taken of its GPU at most, with what CUDA itself takes; None where it has used none.

    What others take of the GPU meanwhile counts as this process's: it is to be asked by one that is alone there.
    """
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    free, total = torch.cuda.mem_get_info()
    besides = max(0, total - free - torch.cuda.memory_reserved())  # the context: kernels, libraries
    return GpuMemory(min(total, besides + torch.cuda.max_memory_reserved()), total)


def memory_of(device: "torch.device") -> int | None:
    """Bytes that a process can have at most on a device, swap included; None where the system does not tell."""
    if device.type == "cuda":
        import torch

        return int(torch.cuda.get_device_properties(device).total_memory)
    import psutil  # not for --help

    bounds = []
    with contextlib.suppress(psutil.Error, OSError, RuntimeError), warnings.catch_warnings(action="ignore"):
        bounds.append(psutil.virtual_memory().total + psutil.swap_memory().total)
    for path in _CONTAINER:
        try:
            bounds.append(int(Path(path).read_text()))
        except (OSError, ValueError):  # "max" where there is no bound
            continue
    return min(bounds, default=None)


def as_refusal(error: BaseException) -> UserError | None:
    """What the system refuses, memory or a file, as an error of one line; None for any other exception."""
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _SHORT.search(str(error))):
        asked = re.search(r"allocate ([0-9.,]+ ?\w+)", str(error))
        return OutOfMemory(
            "the model and its batches must fit into memory (channels, z_dims, linear_z1, batch_size), "
            f"but there is too little{f' for {asked[1]} more' if asked else ''}"
        )
    if isinstance(error, OSError):
        named = "" if error.filename is None else f" {shown(os.fspath(error.filename))}"
        return UserError(f"the system refuses{named}: {error.strerror or type(error).__name__}")
    return None


def memory_is_told(work: Callable[ArgumentsT, AnswerT]) -> Callable[ArgumentsT, AnswerT]:
    """The same work, whose want of memory is told as `OutOfMemory`."""

    @functools.wraps(work)
    def telling(*arguments: ArgumentsT.args, **named: ArgumentsT.kwargs) -> AnswerT:
        try:
            return work(*arguments, **named)
        except (MemoryError, RuntimeError) as error:
            refusal = as_refusal(error)
            if refusal is None:
                raise
            raise refusal from None

    return telling


def short_of_memory(work: Callable[[], None]) -> str:
    """Do it; '' where memory sufficed, else what is lacking: the error itself would keep what it came from."""
    try:
        work()
    except (MemoryError, RuntimeError, OutOfMemory) as error:
        short = error if isinstance(error, OutOfMemory) else as_refusal(error)
        if not isinstance(short, OutOfMemory):
            raise
        return str(short)
    return ""


def free_memory() -> None:
    """Give back what nothing holds any more, that of a GPU to whoever else computes there."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
