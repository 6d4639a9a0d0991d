"""A step captured once as a CUDA graph and replayed, or what says why that cannot be."""

__all__ = ["CapturedStep", "ReplayedStep", "capturable", "warmed_up"]

import logging
import os
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_LOG = logging.getLogger(__name__)

#: Steps before the capture: libraries choose their kernels and take their workspace in them.
_WARM_UP = 3
#: Set to 0, no step is captured.
SWITCH = "HIT_CUDA_GRAPHS"


class ReplayedStep:
    """A step of each size of batch, taken as it is.

    The step is no part of it: what takes steps holds this, and a graph's memory is to be free once that is dropped.

    Args:
        state: all tensors that a step changes.
    """

    def __init__(self, state: Sequence[Tensor]) -> None:
        self._state = tuple(state)

    def take(self, step: Callable[[int], None], size: int) -> None:
        """One step.

        Args:
            step: takes it on batches of so many images, on tensors that stay where they are; always the same.
            size: of the batches.
        """
        step(size)


class CapturedStep(ReplayedStep):
    """The same, each size captured as a CUDA graph before its first step.

    All graphs take their memory from one pool: they never run at once, and leave nothing there.
    Where a step cannot be captured a line says why, and all further ones are taken as they are.
    """

    def __init__(self, state: Sequence[Tensor]) -> None:
        super().__init__(state)
        self._graphs: dict[int, torch.cuda.CUDAGraph] = {}
        self._stream = torch.cuda.Stream(self._state[0].device)
        self._refused = False

    def take(self, step: Callable[[int], None], size: int) -> None:
        if not self._refused and size not in self._graphs:
            self._capture(step, size)
        if self._refused:
            step(size)
        else:
            self._graphs[size].replay()

    def _capture(self, step: Callable[[int], None], size: int) -> None:
        with torch.cuda.device(self._stream.device):
            self._capture_here(step, size)

    def _capture_here(self, step: Callable[[int], None], size: int) -> None:
        current = torch.cuda.current_stream()
        pool = next(iter(self._graphs.values())).pool() if self._graphs else None
        graph = torch.cuda.CUDAGraph()
        try:
            self._stream.wait_stream(current)
            with torch.cuda.stream(self._stream):
                warmed_up(step, size, self._state)
            current.wait_stream(self._stream)
            with torch.cuda.graph(graph, pool=pool, stream=self._stream, capture_error_mode="thread_local"):
                step(size)
        except torch.cuda.OutOfMemoryError:
            raise
        except RuntimeError as error:
            # A capture that fails leaves its own stream as the current one.
            torch.cuda.set_stream(current)
            torch.cuda.synchronize()
            self._refused = True
            _LOG.warning(f"steps are taken one kernel at a time, not as a CUDA graph: {_first_line(error)}")
        else:
            self._graphs[size] = graph


def warmed_up(step: Callable[[int], None], size: int, state: Sequence[Tensor]) -> None:
    """Take a few steps, after each of which the state is as it was before."""
    before = [tensor.clone() for tensor in state]
    for _ in range(_WARM_UP):
        try:
            step(size)
        finally:
            with torch.no_grad():
                for tensor, kept in zip(state, before, strict=True):
                    tensor.copy_(kept)


def capturable(device: torch.device) -> bool:
    """Whether steps on a device are captured where nothing speaks against it."""
    return device.type == "cuda" and os.environ.get(SWITCH, "1") != "0"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
