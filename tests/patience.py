"""Waiting for a store that ends by itself."""

from hit.delivery.drain import Drain
from hit.processes.stop import StopRequest


class Patience(Drain):
    """Waits for so many seconds, or until somebody asks to stop."""

    def __init__(self, seconds: float, stop: StopRequest | None = None) -> None:
        self._asked = stop or StopRequest()
        super().__init__(self._asked)
        self._seconds = seconds

    def keep_waiting(self, waited: float, why: str) -> bool:
        return waited < self._seconds and not self._asked.requested
