"""What a training will take, told once where that is long: by the time of its first steps."""

__all__ = ["LONG", "EpochEstimate"]

import logging
import time
from collections.abc import Callable

import torch
from torch import nn

_LOG = logging.getLogger(__name__)

#: Seconds that a training takes at least, for it to be told.
LONG = 300.0
#: Steps are timed for so many seconds.
_TIMED = 1.0


class EpochEstimate:
    """Times the first steps of a training, and says what its epochs will take where all of them take long.

    The first step is left out: it allocates memory, and starts the processes that read streamed images. Whatever else
    the machine does counts, so that an epoch is estimated, not known. The evaluation after training is no part of it.

    Args:
        model: in training; its parameters are told.
        steps: of an epoch.
        epochs: that are left to train.
        clock: seconds.
    """

    def __init__(
        self, model: nn.Module, steps: int, epochs: int, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._model = model
        self._steps = steps
        self._epochs = epochs
        self._clock = clock
        self._started: float | None = None
        self._timed = 0
        self._told = False

    def after_step(self) -> None:
        """A step was made."""
        if self._told:
            return
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()
        now = self._clock()
        if self._started is None:
            self._started = now
            return
        self._timed += 1
        if now - self._started >= _TIMED:
            self._told = True
            self._tell((now - self._started) / self._timed)

    def _tell(self, seconds_a_step: float) -> None:
        epoch = seconds_a_step * self._steps
        if epoch * self._epochs < LONG:
            return
        parameters = sum(parameter.numel() for parameter in self._model.parameters())
        whole = f", all {self._epochs:,} about {_in_words(epoch * self._epochs)}" if self._epochs > 1 else ""
        _LOG.info(
            f"{parameters:,} parameters; an epoch of {self._steps:,} steps takes about {_in_words(epoch)}{whole} "
            f"(estimated from the first {self._timed + 1:,} steps)"
        )


def _in_words(seconds: float) -> str:
    """Two digits of it.

    >>> _in_words(7.26), _in_words(95), _in_words(5430), _in_words(400_000)
    ('7.3 s', '95 s', '90 min', '4.6 days')
    """
    for unit, size, most in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800), ("days", 86_400, float("inf"))):
        if seconds < most:
            number = seconds / size
            return f"{number:.1f} {unit}" if number < 10 else f"{number:.0f} {unit}"
    raise AssertionError(seconds)
