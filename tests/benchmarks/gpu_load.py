"""How busy a GPU was for a while, and how much of its memory was taken."""

import subprocess
import threading
from types import TracebackType

import torch

#: Seconds between two questions.
_PAUSE = 0.2


class GpuLoad:
    """Asks `nvidia-smi` again and again while it is entered; knows nothing on the CPU.

    Attributes:
        utilisation: per cent of the time in which a kernel ran, the mean of what was told; None: nobody told.
        gigabytes: that PyTorch had taken at most; None on the CPU.
    """

    def __init__(self, device: torch.device) -> None:
        self.utilisation: float | None = None
        self.gigabytes: float | None = None
        self._device = device
        self._told: list[float] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> "GpuLoad":
        if self._device.type == "cuda":
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._device.type != "cuda":
            return
        self._end.set()
        self._thread.join()
        self.gigabytes = torch.cuda.max_memory_reserved(self._device) / 1e9
        busy = [told for told in self._told if told > 0]  # building the models leaves it idle
        self.utilisation = sum(busy) / len(busy) if busy else None

    def _ask(self) -> None:
        command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--id=0"]
        while not self._end.wait(_PAUSE):
            try:
                told = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout
                self._told.append(float(told.splitlines()[0]))
            except (OSError, subprocess.SubprocessError, ValueError, IndexError):
                return
