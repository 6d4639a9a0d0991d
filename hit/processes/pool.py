"""A pool of long-lived worker processes that divide the machine's threads."""

__all__ = ["Patience", "WorkerPool"]

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from hit.errors import EndsWork
from hit.errors.redaction import redact
from hit.errors.run_outcomes import RunOutcome
from hit.processes.attempts import Job, Outcome, attempt
from hit.processes.cpus import threads_of_each
from hit.processes.main_guard import check_main_guard
from hit.processes.setup import keep_freed_memory, lines_are_shown, show_lines, worker_variables
from hit.processes.stop import SIGNALS, StopRequest, signals_held_back

#: What takes seconds to import, torch and MLflow above all. On Linux workers are forked from a process
#: that has imported it and done nothing else: it is paid once a pool, and not again for a worker in the place of one
#: that died.
_PRELOADED = [
    "hit.runs.blocks",
    "hit.runs.pruning",
    "mlflow.store.tracking.sqlalchemy_store",
    "sklearn.datasets",
    "sklearn.linear_model",
]
_IDLE_POLL_SECONDS = 0.5
_STOP_SECONDS, _HURRIED_SECONDS = 90.0, 5.0
_POLL_SECONDS = 0.2


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    own: Mapping[str, str]
    job: Job | None = None


class WorkerPool:
    """Worker processes that take jobs one at a time; imports are paid once, data once a worker.

    A context manager: leaving it stops the workers, each of which ends its run as KILLED if it has one.

    Args:
        workers: how many processes.
        threads: CPU threads of each; 0 divides those of this machine.
        own: further environment variables of each worker; none: no worker has any.

    Raises:
        UserError: the workers would run the script again that starts them (`hit.processes.main_guard`).
    """

    def __init__(self, workers: int, threads: int = 0, own: Sequence[Mapping[str, str]] = ()) -> None:
        check_main_guard("a pool of workers")
        self._context = _context()
        self._threads = threads_of_each(workers, threads)
        self._workers = [self._start(variables) for variables in own or [{}] * workers]

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def free(self) -> int:
        """Workers without a job."""
        return sum(worker.job is None for worker in self._workers)

    def submit(self, job: Job) -> None:
        """Give a free worker a job; there must be one."""
        worker = next(worker for worker in self._workers if worker.job is None)
        worker.job = job
        with contextlib.suppress(OSError):  # it died just now: `outcomes` will tell
            worker.pipe.send(job)

    def outcomes(self, timeout: float) -> Iterator[Outcome]:
        """What workers have said within `timeout` seconds; a dead worker is replaced."""
        pipes = {worker.pipe: worker for worker in self._workers}
        for ready in multiprocessing.connection.wait(list(pipes), timeout):
            worker = pipes[ready]  # type: ignore[index]
            try:
                outcome = _told(worker.pipe.recv(), worker.job)
            except (EOFError, OSError):
                yield from self._replace(worker)
                continue
            if outcome.is_last:
                worker.job = None
            yield outcome

    def stop(self, hurried: Callable[[], bool] = lambda: False) -> list[Outcome]:
        """Ask every worker to stop and wait for it; what their jobs came to.

        Args:
            hurried: asked meanwhile whether they are to end at once.
        """
        for worker in self._workers:
            with contextlib.suppress(OSError):
                if worker.job is None:
                    worker.pipe.send(None)
                elif worker.process.pid is not None:
                    os.kill(worker.process.pid, signal.SIGTERM)
        ended: list[Outcome] = []
        patience = Patience(hurried, self._hurry)
        for worker in self._workers:
            if worker.job is not None:
                ended += _await_end(worker.pipe, worker.job, patience)
            worker.pipe.close()
            while worker.process.is_alive() and patience.left() > 0:
                worker.process.join(min(_POLL_SECONDS, patience.left()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._workers = []
        return ended

    def _hurry(self) -> None:
        """As a second Ctrl-C: who works on does so no longer."""
        for worker in self._workers:
            if worker.job is not None and worker.process.is_alive() and worker.process.pid is not None:
                os.kill(worker.process.pid, signal.SIGINT)

    def _start(self, own: Mapping[str, str]) -> _Worker:
        ours, theirs = self._context.Pipe()
        variables = worker_variables(self._threads) | dict(own)
        before = {name: os.environ.get(name) for name in variables}
        # Read by OpenMP and BLAS when they are loaded, so it must stand before the process starts.
        os.environ.update(variables)
        try:
            args = (theirs, dict(os.environ), lines_are_shown())
            process: BaseProcess = self._context.Process(target=_work, args=args, daemon=False)
            with signals_held_back():  # Ctrl-C is not for what workers are forked from; they hear it once they can
                process.start()
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
        theirs.close()
        return _Worker(process, ours, own)

    def _replace(self, worker: _Worker) -> Iterator[Outcome]:
        worker.pipe.close()
        worker.process.join()
        self._workers[self._workers.index(worker)] = self._start(worker.own)
        if worker.job is not None:
            yield Outcome(worker.job, RunOutcome.LOST, f"its worker died (exit code {worker.process.exitcode})")


class Patience:
    """How long processes that were asked to stop are waited for.

    Args:
        hurried: asked whether to be done with it.
        hurry: called once when it says so; from then on little time is left.
    """

    def __init__(self, hurried: Callable[[], bool], hurry: Callable[[], None]) -> None:
        self._hurried = hurried
        self._hurry: Callable[[], None] | None = hurry
        self._deadline = time.monotonic() + _STOP_SECONDS

    def left(self) -> float:
        """Seconds until nobody is waited for any more."""
        if self._hurry is not None and self._hurried():
            self._hurry()
            self._hurry = None
            self._deadline = min(self._deadline, time.monotonic() + _HURRIED_SECONDS)
        return max(0.0, self._deadline - time.monotonic())


def _told(said: Outcome | str, job: Job | None) -> Outcome:
    """What a worker says; of a job that it could not be handed, only why."""
    if isinstance(said, Outcome):
        return said
    assert job is not None
    return Outcome(job, RunOutcome.FAILED, said)


def _await_end(pipe: Connection, job: Job, patience: Patience) -> list[Outcome]:
    """How a job ended, and its parts before it."""
    ended: list[Outcome] = []
    while (left := patience.left()) > 0:
        try:
            if pipe.poll(min(_POLL_SECONDS, left)):
                outcome = _told(pipe.recv(), job)
                if outcome.state != "progress":
                    ended.append(outcome)
                if outcome.is_last:
                    return ended
        except (EOFError, OSError):
            break
    return [*ended, Outcome(job, RunOutcome.LOST, "its worker died or did not stop")]


def _context() -> Any:
    if not sys.platform.startswith("linux"):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_PRELOADED)
    return context


def _work(pipe: Connection, environment: dict[str, str], shows_lines: bool) -> None:
    os.environ.clear()  # that of the process which was forked is from when it began
    os.environ.update(environment)
    keep_freed_memory()
    with show_lines() if shows_lines else contextlib.nullcontext(), StopRequest() as stop:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        threading.Thread(target=_stop_with_parent, args=(stop,), daemon=True).start()
        while not stop.requested:
            try:
                if not pipe.poll(_IDLE_POLL_SECONDS):
                    continue
                job: Job | None = pipe.recv()
            except (EOFError, OSError):
                return
            except EndsWork as error:  # a part of the job is not here as it was where the job was made
                with contextlib.suppress(OSError):
                    pipe.send(redact(str(error)))
                continue
            if job is None:
                return

            def tell(outcome: Outcome) -> None:
                with contextlib.suppress(OSError):  # the parent is gone: the run is in the store all the same
                    pipe.send(outcome)

            tell(attempt(job, stop, tell))


def _stop_with_parent(stop: StopRequest) -> None:
    """Ask to stop once the process that uses the pool is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel])
    stop.request()
