"""Models trained by a pool of processes of this machine."""

__all__ = ["PoolLauncher"]

from collections.abc import Callable, Iterator

from hit.processes.attempts import Outcome
from hit.processes.pool import WorkerPool
from sweeps.launchers.launcher import Launcher, Training


class PoolLauncher(Launcher):
    """Long-lived worker processes (`hit.processes.pool.WorkerPool`): start-up is paid once a worker.

    Args:
        workers: how many processes.
        threads: CPU threads of each; 0 divides those of this machine.
    """

    def __init__(self, workers: int, threads: int = 0) -> None:
        self._pool = WorkerPool(workers, threads)

    @property
    def free(self) -> int:
        return self._pool.free

    def submit(self, training: Training) -> None:
        self._pool.submit(training.job())

    def outcomes(self, timeout: float) -> Iterator[Outcome]:
        return self._pool.outcomes(timeout)

    def stop(self, hurried: Callable[[], bool] = lambda: False) -> list[Outcome]:
        return self._pool.stop(hurried)
