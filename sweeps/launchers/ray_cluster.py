"""Models trained by Ray, on this machine or on a cluster (the extra `ray`)."""

__all__ = ["RayLauncher", "check_ray"]

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hit.errors import ConfigError, Unavailable
from hit.errors.run_outcomes import RunOutcome
from hit.extensions.discovery import VARIABLE
from hit.processes.attempts import Outcome, attempt
from hit.processes.pool import Patience
from hit.processes.setup import keep_freed_memory, worker_variables
from hit.processes.stop import StopRequest
from sweeps.launchers.launcher import Launcher, Training

_ROOT = Path(__file__).resolve().parent.parent.parent
_PACKAGES = ("hit", "sweeps", "analysis")
_ANSWER_SECONDS = 5.0
_POLL_SECONDS = 0.5


def check_ray(address: str) -> Any:
    """The package `ray`, where it is installed and its cluster answers.

    Args:
        address: of the cluster: `host:port` of its head, or `ray://host:port`; empty for this machine alone.

    Raises:
        ConfigError: the address is none.
        Unavailable: Ray is not installed, or nothing answers there within seconds.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise Unavailable(
            "launcher=ray needs the package ray, which is not installed: pip install -e '.[ray]'"
        ) from None
    if not address:
        return ray
    try:
        parts = urlsplit(address if "://" in address else f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not port or parts.scheme not in ("", "ray"):
        raise ConfigError(f"ray_address must be host:port or ray://host:port, got {address!r}")
    try:
        socket.create_connection((host, port), timeout=_ANSWER_SECONDS).close()
    except OSError as error:
        why = error.strerror or str(error) or type(error).__name__
        raise _silent(address, why) from None
    return ray


class RayLauncher(Launcher):
    """A Ray task a model. Ray finds the CPUs and GPUs for it; what it says comes back through a small actor.

    A task whose node goes away is told as lost; where the head goes away, so are all, and with the next one the cluster
    is connected to again.

    On a cluster the project's packages travel along; its machines need the same dependencies, the data and extensions
    under the same path, and a store that they reach. A run goes on from its checkpoint where `state_dir` is a folder
    that they share.

    Args:
        workers: tasks at once, at most.
        address: of a cluster (see `check_ray`); empty: this machine.
        cpus: CPUs that a run takes.
        gpus: GPUs that a run takes; 0.5 lets two runs share one.

    Raises:
        ConfigError: the address is none.
        Unavailable: Ray is not installed, or does not answer.
    """

    def __init__(self, workers: int, address: str = "", cpus: float = 1.0, gpus: float = 0.0) -> None:
        self._ray = check_ray(address)
        self._workers = workers
        self._tasks: dict[Any, Training] = {}
        #: What could not be submitted, and why.
        self._unsubmitted: list[tuple[Training, str]] = []
        self._address = address
        self._connected = False
        self._connect()
        self._train = self._ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0)(_train)
        self._threads = max(1, int(cpus))

    @property
    def free(self) -> int:
        return self._workers - len(self._tasks)

    def submit(self, training: Training) -> None:
        try:
            self._connect()
            task = self._train.remote(training.placed(), self._threads, self._mailbox)
        except Exception as error:  # the head is gone, or Ray has no room: told with the next outcomes
            self._unsubmitted.append((training, _first_line(error)))
            return
        self._tasks[task] = training

    def outcomes(self, timeout: float) -> Iterator[Outcome]:
        unsubmitted, self._unsubmitted = self._unsubmitted, []
        for training, why in unsubmitted:
            yield Outcome(training.job(), RunOutcome.LOST, f"Ray does not take it ({why})")
        if not self._tasks:
            if unsubmitted:
                time.sleep(timeout)  # before it is tried again
            return
        try:
            ended, _ = self._ray.wait(list(self._tasks), num_returns=1, timeout=timeout)
        except Exception as error:  # what Ray raises once its head is gone: RayError, and those of its connection
            yield from self._all_lost(_first_line(error))
            return
        under_way = {training.identity: training for task, training in self._tasks.items() if task not in ended}
        for identity, state, text, epoch in self._news():
            if identity in under_way:
                yield Outcome(under_way[identity].job(), state, text, epoch)
        for task in ended:
            yield self._outcome(task)

    def _news(self) -> list[tuple[str, Any, str, int]]:
        """What tasks have told; nothing while the actor that keeps it is begun anew, its node being gone."""
        try:
            told: list[tuple[str, Any, str, int]] = self._ray.get(self._mailbox.take.remote(), timeout=_ANSWER_SECONDS)
            return told
        except self._ray.exceptions.RayError:
            return []

    def _all_lost(self, why: str) -> Iterator[Outcome]:
        """The head is gone, and what its tasks came to with it: the runs go on from their checkpoints, if need be."""
        lost, self._tasks = list(self._tasks.values()), {}
        self._leave()
        for training in lost:
            yield Outcome(training.job(), RunOutcome.LOST, f"its Ray cluster is gone ({why})")

    def _connect(self) -> None:
        """Begin Ray on this machine, or connect to its cluster; again where its head was gone.

        Raises:
            Unavailable: it does not answer.
        """
        if self._connected:
            return
        address = self._address
        extensions = {VARIABLE: os.environ.get(VARIABLE, "")}
        modules = {"py_modules": [str(_ROOT / name) for name in _PACKAGES], "env_vars": extensions} if address else None
        #: Ray that whoever builds the launcher has begun is used, and left to them.
        self._began = not self._ray.is_initialized()
        try:
            if self._began:
                self._ray.init(
                    address=address or "local",
                    runtime_env=modules,
                    include_dashboard=None if address else False,
                    log_to_driver=False,
                    configure_logging=False,
                )
            self._mailbox = self._ray.remote(num_cpus=0, max_restarts=-1)(_Mailbox).remote()
        except Exception as error:  # Ray raises what its parts raise, plain exceptions among them
            reason = _first_line(error)
            self._leave()
            if not address:
                raise Unavailable(f"launcher=ray must be able to start Ray on this machine, got: {reason}") from None
            raise _silent(address, reason) from None
        self._connected = True

    def _leave(self) -> None:
        self._connected = False
        if self._began:
            self._ray.shutdown()

    def stop(self, hurried: Callable[[], bool] = lambda: False) -> list[Outcome]:
        if not self._connected:
            never = "stopped before it began"
            unsubmitted, self._unsubmitted = self._unsubmitted, []
            return [Outcome(training.job(), RunOutcome.INTERRUPTED, never) for training, _ in unsubmitted]
        for task in self._tasks:
            self._ray.cancel(task)  # a Ctrl-C in its process
        patience = Patience(hurried, lambda: None)
        waiting = list(self._tasks)
        while waiting and (left := patience.left()) > 0:
            _, waiting = self._ray.wait(waiting, num_returns=len(waiting), timeout=min(_POLL_SECONDS, left))
        for task in waiting:
            self._ray.cancel(task, force=True)
        ended = [self._outcome(task) for task in list(self._tasks)]
        self._ray.kill(self._mailbox)
        self._leave()
        return ended

    def _outcome(self, task: Any) -> Outcome:
        """What a task that has ended came to."""
        training = self._tasks.pop(task)
        job = training.job()
        try:
            state, text = self._ray.get(task)
        except self._ray.exceptions.TaskCancelledError:
            return Outcome(job, RunOutcome.INTERRUPTED, "stopped before it began")
        except self._ray.exceptions.RayError as error:
            return Outcome(job, RunOutcome.LOST, f"its Ray worker died ({type(error).__name__})")
        return Outcome(job, state, text)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0]


def _silent(address: str, why: str) -> Unavailable:
    return Unavailable(f"ray_address must be that of a Ray cluster that answers, got {address!r}: {why}")


class _Mailbox:
    """An actor that keeps what tasks say until the launcher asks."""

    def __init__(self) -> None:
        self._said: list[tuple[str, str, str, int]] = []

    def tell(self, said: tuple[str, str, str, int]) -> None:
        self._said.append(said)

    def take(self) -> list[tuple[str, str, str, int]]:
        said, self._said = self._said, []
        return said


def _train(training: Training, threads: int, mailbox: Any) -> tuple[str, str]:
    """In a process of Ray's."""
    os.environ.update(worker_variables(threads))  # read when torch is loaded
    keep_freed_memory()

    def tell(outcome: Outcome) -> None:
        with contextlib.suppress(Exception):  # the sweep is gone: Ray ends this process
            mailbox.tell.remote((training.identity, outcome.state, outcome.text, outcome.epoch))

    with StopRequest() as stop:
        outcome = attempt(training.job(), stop, tell)
    return outcome.state, outcome.text
