"""Models trained in this process, one after the other."""

__all__ = ["InlineLauncher"]

import queue
import threading
from collections.abc import Callable, Iterator

from hit.processes.attempts import Outcome, attempt
from hit.processes.stop import StopRequest
from sweeps.launchers.launcher import Launcher, Training

_POLL_SECONDS = 0.2


class InlineLauncher(Launcher):
    """A thread of this process, so that the sweep can tell what it is doing meanwhile and be stopped."""

    def __init__(self) -> None:
        self._stop = StopRequest()
        self._thread: threading.Thread | None = None
        self._said: queue.Queue[Outcome] = queue.Queue()

    @property
    def free(self) -> int:
        return int(self._thread is None)

    def submit(self, training: Training) -> None:
        job = training.job()

        def work() -> None:
            self._said.put(attempt(job, self._stop, self._said.put))

        self._thread = threading.Thread(target=work, name=f"train-{training.run_id[:8]}")
        self._thread.start()

    def outcomes(self, timeout: float) -> Iterator[Outcome]:
        try:
            outcome = self._said.get(timeout=timeout)
        except queue.Empty:
            return
        if outcome.state != "progress":
            self._join()
        yield outcome

    def stop(self, hurried: Callable[[], bool] = lambda: False) -> list[Outcome]:
        self._stop.request()
        while self._thread is not None and self._thread.is_alive():
            if hurried():
                self._stop.hurry()
            self._thread.join(_POLL_SECONDS)
        self._join()
        ended = []
        while not self._said.empty():
            outcome = self._said.get()
            if outcome.state != "progress":
                ended.append(outcome)
        return ended

    def _join(self) -> None:
        if self._thread is not None:
            self._thread.join()
            self._thread = None
