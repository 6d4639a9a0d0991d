"""Models trained by Ray, on this machine or on a cluster (the extra `ray`)."""

__all__ = ["RayLauncher"]

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hit.errors import ConfigError, Unavailable
from hit.errors.run_outcomes import RunOutcome
from hit.extensions.discovery import VARIABLE
from hit.processes.attempts import Outcome
from hit.processes.memory import GpuMemory
from hit.processes.pool import Patience
from sweeps.launchers.gpu_shares import FILE, Gpus, GpuShares, gpus_of
from sweeps.launchers.launcher import Launcher, Training
from sweeps.launchers.ray_requirements import check_ray, check_resources, not_connected
from sweeps.launchers.ray_task import Mailbox, train_by_ray

_LOG = logging.getLogger(__name__)
_ROOT = Path(__file__).resolve().parent.parent.parent
_PACKAGES = ("hit", "sweeps", "analysis")
_ANSWER_SECONDS = 5.0
_POLL_SECONDS = 0.5
_NEVER = "stopped before it began"


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
        shares: the folder in which is remembered what runs take of a GPU, each of which gets the share that it needs
            (`GpuShares`); None: each gets `gpus`.

    Raises:
        ConfigError: the address is none.
        Unavailable: Ray is not installed, or does not answer.
    """

    def __init__(
        self, workers: int, address: str = "", cpus: float = 1.0, gpus: float = 0.0, shares: Path | None = None
    ) -> None:
        self._ray = check_ray(address)
        self._workers = workers
        self._tasks: dict[Any, Training] = {}
        #: What Ray has not been given yet.
        self._waiting: list[Training] = []
        self._gpus = gpus
        self._shares = None if shares is None else GpuShares(shares / FILE)
        #: What could not be submitted, and why.
        self._unsubmitted: list[tuple[Training, str]] = []
        self._address = address
        self._connected = False
        #: Why it does not answer, as it was told.
        self._told = ""
        self._connect()
        self._tell_lack(cpus)
        # A process a training: what it has taken of a GPU is free after it.
        one = {} if shares is None and not gpus else {"max_calls": 1}
        self._train = self._ray.remote(num_cpus=cpus, max_retries=0, **one)(train_by_ray)
        self._threads = max(1, int(cpus))

    @property
    def free(self) -> int:
        return self._workers - len(self._tasks) - len(self._waiting)

    def submit(self, training: Training) -> None:
        self._waiting.append(training)
        self._submit_waiting()

    def _submit_waiting(self) -> None:
        if not self._waiting or not self._answers():
            return
        there = gpus_of(self._ray.cluster_resources()) if self._shares else Gpus("", 0)
        for training in tuple(self._waiting):
            identity, config = training.identity, training.config
            try:
                gpus = self._gpus if self._shares is None else self._shares.take(identity, config, there)
                if gpus is None:  # others show what it will take
                    continue
                task = self._train.options(num_gpus=gpus).remote(training.placed(), self._threads, self._mailbox)
                self._tasks[task] = training
            except Exception as error:  # Ray has no room: told with the next outcomes
                self._unsubmitted.append((training, _first_line(error)))
            self._waiting.remove(training)

    def _tell_lack(self, cpus: float) -> None:
        """A line where no node of the cluster has what a run takes: one that has may come yet."""
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        try:
            check_resources(cpus, 1.0 if self._shares else self._gpus, nodes, "a node of the Ray cluster")
        except ConfigError as error:
            _LOG.warning(f"runs wait for a node that they fit on: {error}")

    def _answers(self) -> bool:
        """Whether Ray is there; where its head is gone, what waits is told in a line, and waits for the next one."""
        try:
            self._connect()
        except Unavailable as error:
            if self._told != str(error):
                self._told = str(error)
                _LOG.warning(f"runs wait for their Ray cluster: {error}")
            return False
        self._told = ""
        return True

    def outcomes(self, timeout: float) -> Iterator[Outcome]:
        self._submit_waiting()
        unsubmitted, self._unsubmitted = self._unsubmitted, []
        for training, why in unsubmitted:
            yield Outcome(training.job(), RunOutcome.LOST, f"Ray does not take it ({why})")
        if not self._tasks:
            if unsubmitted or self._waiting:
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
            outcome = self._outcome(task)
            yield outcome
            if outcome.state == RunOutcome.LOST and (why := self._gone(outcome)):
                yield from self._all_lost(why)
                return

    def _news(self) -> list[tuple[str, Any, str, int]]:
        """What tasks have told; nothing while the actor that keeps it is begun anew, its node being gone."""
        try:
            told: list[tuple[str, Any, str, int]] = self._ray.get(self._mailbox.take.remote(), timeout=_ANSWER_SECONDS)
            return told
        except self._ray.exceptions.RayError:
            return []

    def _gone(self, lost: Outcome) -> str:
        """Why the cluster is no longer there, where a run was lost; '' where it is."""
        if "LocalRayletDied" in lost.text:
            return "Ray is gone from this machine"
        try:
            check_ray(self._address)
        except Unavailable as error:
            return str(error)
        return ""

    def _all_lost(self, why: str) -> Iterator[Outcome]:
        """The head is gone, and what its tasks came to with it: the runs go on from their checkpoints, if need be."""
        lost, self._tasks = list(self._tasks.values()), {}
        self._leave()
        for training in lost:
            self._note_end(training)
            yield Outcome(training.job(), RunOutcome.LOST, f"its Ray cluster is gone ({why})")

    def _connect(self) -> None:
        """Begin Ray on this machine, or connect to its cluster; again where its head was gone.

        Raises:
            Unavailable: it does not answer.
        """
        if self._connected:
            return
        address = self._address
        check_ray(address)
        extensions = {VARIABLE: os.environ.get(VARIABLE, "")}
        modules = {"py_modules": [str(_ROOT / name) for name in _PACKAGES], "env_vars": extensions} if address else None
        #: Ray that whoever builds the launcher has begun is used, and left to them.
        self._began = not self._ray.is_initialized()
        told_to_stop = signal.getsignal(signal.SIGTERM)
        try:
            if self._began:
                self._ray.init(
                    address=address or "local",
                    runtime_env=modules,
                    include_dashboard=None if address else False,
                    log_to_driver=False,
                    configure_logging=False,
                )
            self._mailbox = self._ray.remote(num_cpus=0, max_restarts=-1)(Mailbox).remote()
        except Exception as error:  # Ray raises what its parts raise, plain exceptions among them
            reason = _first_line(error)
            self._leave()
            if not address:
                raise Unavailable(f"launcher=ray must be able to start Ray on this machine, got: {reason}") from None
            raise not_connected(address, reason) from None
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, told_to_stop)  # Ray takes it for itself, and a sweep would end as failed
        self._connected = True

    def _leave(self) -> None:
        self._connected = False
        if self._began:
            self._ray.shutdown()

    def stop(self, hurried: Callable[[], bool] = lambda: False) -> list[Outcome]:
        never = [*self._waiting, *(training for training, _ in self._unsubmitted)]
        self._waiting, self._unsubmitted = [], []
        told = [Outcome(training.job(), RunOutcome.INTERRUPTED, _NEVER) for training in never]
        if not self._connected:
            return told
        try:
            for task in self._tasks:
                self._ray.cancel(task)  # a Ctrl-C in its process
            patience = Patience(hurried, lambda: None)
            waiting = list(self._tasks)
            while waiting and (left := patience.left()) > 0:
                _, waiting = self._ray.wait(waiting, num_returns=len(waiting), timeout=min(_POLL_SECONDS, left))
            for task in waiting:
                self._ray.cancel(task, force=True)
            told += [self._outcome(task) for task in list(self._tasks)]
            self._ray.kill(self._mailbox)
        except Exception as error:  # as in `outcomes`
            return told + list(self._all_lost(_first_line(error)))
        self._leave()
        return told

    def _outcome(self, task: Any) -> Outcome:
        """What a task that has ended came to."""
        training = self._tasks.pop(task)
        memory = None
        try:
            state, text, memory = self._ray.get(task)
        except self._ray.exceptions.TaskCancelledError:
            state, text = RunOutcome.INTERRUPTED, _NEVER
        except self._ray.exceptions.RayError as error:
            state, text = RunOutcome.LOST, f"its Ray worker died ({type(error).__name__})"
        self._note_end(training, memory)
        return Outcome(training.job(), state, text)

    def _note_end(self, training: Training, memory: GpuMemory | None = None) -> None:
        if self._shares is not None:
            self._shares.end(training.identity, memory)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0]
