"""What this machine gives: devices, threads, and an allocator that keeps its pages."""

__all__ = ["keep_freed_memory", "select_device", "set_threads"]

import ctypes
import os
import re
import sys

import torch

from hit.bounds import MOST_THREADS, whole_number
from hit.errors import ConfigError, shown

_DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]{1,4})?")
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3  # of glibc's mallopt


def select_device(name: str) -> torch.device:
    """The device called `name`; "auto" is CUDA where there is one.

    Raises:
        ConfigError: no such device here.
    """
    if not _DEVICE.fullmatch(name):
        raise ConfigError(f"device must be auto, cpu, cuda or cuda:<n>, got {shown(name)}")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device must be auto, cpu or a CUDA device at hand, got {name!r}: {reason}") from None
    return device


def set_threads(threads: int) -> None:
    """Use this many CPU threads; 0 asks $HIT_THREADS, and without it leaves torch's choice.

    Raises:
        ConfigError: $HIT_THREADS is not a number.
    """
    text = os.environ.get("HIT_THREADS", "") or "0"
    asked = whole_number(text)
    if asked is None or asked > MOST_THREADS:
        raise ConfigError(f"HIT_THREADS must be a whole number from 0 to {MOST_THREADS}, got {shown(text)}")
    if threads or asked:
        torch.set_num_threads(threads or asked)


def keep_freed_memory() -> bool:
    """Let glibc keep freed blocks instead of giving them back; whether it could be told.

    A training step on the CPU allocates and frees the same megabytes of activations again and again:
    given back each time, their pages are faulted in anew at every step, a third of its time.
    The process stays as large as it once was.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # not glibc
        return False
    kept = bool(mallopt(_M_TRIM_THRESHOLD, 1 << 30)) and bool(mallopt(_M_TOP_PAD, 1 << 26))
    return kept and bool(mallopt(_M_MMAP_THRESHOLD, 1 << 30) or mallopt(_M_MMAP_THRESHOLD, 1 << 25))
