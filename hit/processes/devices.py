"""What this machine gives: devices and threads."""

__all__ = ["select_device", "set_threads"]

import os
import re

import torch

from hit.config.field_types import MOST_THREADS, whole_number
from hit.errors import ConfigError, shown

_DEVICE = re.compile(r"auto|cpu|cuda(:[0-9]{1,4})?")


def select_device(name: str) -> torch.device:
    """The device called `name`; "auto" is CUDA where there is one.

    On CUDA, float32 is float32 from here on: cuDNN rounds what it convolves to TensorFloat-32 where nobody says no.

    Raises:
        ConfigError: no such device here.
    """
    device = _device(name)
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = False
    return device


def _device(name: str) -> torch.device:
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
