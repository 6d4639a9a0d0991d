"""Models trained by `mlflow run` children, each in an environment of its own."""

__all__ = ["ProjectLauncher"]

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from hit.connection import connect
from hit.connection.store_errors import translated
from hit.delivery.ownership import deleted
from hit.errors import Claimed, RunGone, StoreAway, StoreError, UserError
from hit.errors.redaction import redact
from hit.errors.run_outcomes import RunOutcome
from hit.processes.attempts import Outcome
from hit.processes.cpus import threads_of_each
from hit.processes.identity import is_running, pid_of, process_identity
from hit.processes.pool import Patience
from hit.processes.setup import THREAD_VARIABLES
from hit.processes.stop import WATCHED
from hit.schema import Tag
from hit.schema.endings import outcome_of
from hit.schema.experiments import Experiment
from sweeps.launchers.launcher import Launcher, Training

_ROOT = Path(__file__).resolve().parent.parent.parent
_POLL_SECONDS = 0.2
_SECONDS_BETWEEN_LOOKS = 2.0


@dataclass
class _Child:
    training: Training
    process: "subprocess.Popen[bytes]"
    log: Path
    looked_at: float
    epoch: int = 0


class ProjectLauncher(Launcher):
    """`mlflow run . -e train --run-id …`: the run is the one that was made for it.

    A child that outlives this process notices and stops: it watches it (`hit.processes.stop.WATCHED`), since
    `mlflow run` in between would not.

    Args:
        workers: children at once; they divide the machine's threads.
        env_manager: of MLflow: local (this environment), virtualenv, uv or conda.
        folder: where the children's logs lie while they run.
        threads: CPU threads of each; 0 divides those of this machine.
    """

    def __init__(self, workers: int, env_manager: str, folder: Path, threads: int = 0) -> None:
        self._workers = workers
        self._env_manager = env_manager
        self._folder = folder / "projects"
        self._threads = threads_of_each(workers, threads)
        self._children: list[_Child] = []

    @property
    def free(self) -> int:
        return self._workers - len(self._children)

    def submit(self, training: Training) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        log = self._folder / f"{training.run_id}.log"
        # The commands of the MLproject find their packages in the project's root, where they are run.
        left_out = ("MLFLOW_RUN_ID", "PYTHONSAFEPATH")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        environment |= dict.fromkeys(THREAD_VARIABLES, str(self._threads))
        if self._env_manager == "local":  # whose `python` is this one, activated or not
            environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
        environment |= {"MLFLOW_TRACKING_URI": training.uri, WATCHED: process_identity()[1]}
        with log.open("wb") as said:
            process = subprocess.Popen(
                self._command(training), env=environment, stdout=said, stderr=said, start_new_session=True
            )
        self._children.append(_Child(training, process, log, time.monotonic()))

    def outcomes(self, timeout: float) -> Iterator[Outcome]:
        deadline = time.monotonic() + timeout
        while True:
            said = [outcome for child in list(self._children) for outcome in self._look(child)]
            yield from said
            if said or time.monotonic() >= deadline:
                return
            time.sleep(_POLL_SECONDS)

    def stop(self, hurried: Callable[[], bool] = lambda: False) -> list[Outcome]:
        patience = Patience(hurried, partial(self._signal, signal.SIGINT))
        self._signal(signal.SIGTERM)
        for child in self._children:
            while child.process.poll() is None and (left := patience.left()) > 0:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.process.wait(min(_POLL_SECONDS, left))
        ended = []
        for child in list(self._children):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.process.pid, signal.SIGKILL)
            child.process.wait()
            ended += self._look(child, last=True)
        return ended

    def _signal(self, number: int) -> None:
        for child in self._children:
            _signal(child, number)

    def _command(self, training: Training) -> list[str]:
        words = [sys.executable, "-m", "mlflow", "run", str(_ROOT), "-e", "train", "--env-manager", self._env_manager]
        words += ["--run-id", training.run_id, *_home(training)]
        for name, value in _values(training).items():
            words += ["-P", f"{name}={value}"]
        return words

    def _look(self, child: _Child, *, last: bool = False) -> list[Outcome]:
        """What there is to tell of a child: nothing while the store is away, unless it is asked for the last time."""
        job = child.training.job()
        ended = child.process.poll() is not None
        if not ended and time.monotonic() - child.looked_at < _SECONDS_BETWEEN_LOOKS:
            return []
        child.looked_at = time.monotonic()
        try:
            client = connect(child.training.uri)
            if not ended:
                epoch = max(
                    (p.step for p in client.get_metric_history(child.training.run_id, "train/seconds")), default=0
                )
                if epoch == child.epoch:
                    return []
                child.epoch = epoch
                doing = "training" if epoch < child.training.config.epochs else "evaluating"
                return [Outcome(job, "progress", doing, epoch)]
            said = redact(child.log.read_text(errors="replace").strip())
            child.log.write_text(f"{said}\n")
            outcome = _verdict(child, client, client.get_run(child.training.run_id), said)
        except (MlflowException, StoreError) as error:
            fault = translated(error)
            if isinstance(fault, RunGone):
                outcome = Outcome(job, RunOutcome.GONE, str(fault))
            elif not last and (not ended or isinstance(fault, StoreAway)):
                return []
            else:
                outcome = Outcome(job, RunOutcome.FAILED, f"the store does not say how it ended: {fault}")
        self._children.remove(child)
        if outcome.state != RunOutcome.FAILED:
            child.log.unlink(missing_ok=True)
        return [outcome]


def _verdict(child: _Child, client: MlflowClient, run: Run, said: str) -> Outcome:
    """How a child ended, by what its run says; a status that `mlflow run` has overwritten is put right."""
    job, run_id = child.training.job(), run.info.run_id
    if run.info.lifecycle_stage != "active":
        return Outcome(job, RunOutcome.GONE, deleted(run_id))
    ended, reason = outcome_of(run), run.data.tags.get(Tag.STATUS_REASON, "")
    if ended is RunOutcome.FINISHED:
        return Outcome(job, ended, run_id)
    if (
        ended is not None and ended.status == "KILLED" and run.info.status == "FAILED"
    ):  # see hit.tracking.project_status
        client.set_terminated(run_id, status="KILLED", end_time=run.info.end_time)
    if ended is not None and ended is not RunOutcome.FAILED and reason:
        return Outcome(job, ended, reason.removeprefix(Claimed.reason_begins))
    lines = [line for line in said.splitlines() if line.startswith(UserError.begins)] or said.splitlines()[-1:]
    last = lines[-1] if lines else ""
    begun = run.data.tags.get(Tag.PROCESS) != process_identity()[1]
    if begun and not reason:
        return Outcome(job, RunOutcome.LOST, f"its process died ({last or 'without a word'})")
    return Outcome(job, RunOutcome.FAILED, reason or last.removeprefix(UserError.begins) or "mlflow run said nothing")


def _signal(child: _Child, number: int) -> None:
    """Ask the process that trains to stop; `mlflow run` then ends by itself. While there is none, end them all."""
    with contextlib.suppress(ProcessLookupError, MlflowException, StoreError, PermissionError):
        tags = connect(child.training.uri).get_run(child.training.run_id).data.tags
        host, own = process_identity()
        trainer = tags.get(Tag.PROCESS, own)
        pid = pid_of(trainer)
        if pid and tags.get(Tag.HOST) == host and trainer != own and is_running(trainer):
            os.kill(pid, number)
            return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.process.pid, signal.SIGTERM)


def _home(training: Training) -> list[str]:
    """Its experiment, by the id where it has one: it may be renamed."""
    home = training.experiment
    return (
        ["--experiment-id", home.id] if isinstance(home, Experiment) and home.id else ["--experiment-name", str(home)]
    )


def _values(training: Training) -> dict[str, Any]:
    """The parameters of `mlflow run`."""
    values = {name: value for name, value in training.placed().config.to_flat().items() if value != ""}
    # Truth as people type it.
    values = {name: str(value).lower() if isinstance(value, bool) else value for name, value in values.items()}
    values |= {"sweep": training.sweep}  # and no experiment: that of the run
    return values | ({"early_stopping": training.early_stopping} if training.early_stopping else {})
