"""What a job of `launcher=slurm` runs on its node: `python -m sweeps.launchers.slurm.node_job FOLDER [NUMBER]`."""

__all__ = ["main", "train_on_node"]

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hit.delivery.local_state import state_folder
from hit.errors import Claimed, ConfigError
from hit.errors.run_outcomes import RunOutcome
from hit.extensions.discovery import load_known
from hit.processes.attempts import Job, Outcome, attempt
from hit.processes.setup import process_settings
from hit.processes.stop import StopRequest
from hit.schema import Tag
from hit.store import Store
from sweeps.launchers.launcher import Training, train
from sweeps.launchers.slurm.job_folder import JobFolder, Said
from sweeps.launchers.slurm.node_folder import NodeFolder

#: Signals that come before a time limit, or a preemption that nobody queues again: submitit has them as USR2.
_BEFORE_THE_END = (signal.SIGUSR1, signal.SIGUSR2)
#: What tells submitit's local executor to start a job again.
_AGAIN = 144
#: A model that was begun so often without an epoch finished in between is given up.
_VAIN_STARTS = 5
_SECONDS_BETWEEN_WORDS = 1.0


def main(argv: list[str]) -> int:
    """Train what the job is to train; its exit code."""
    folder = JobFolder(Path(argv[0]))
    number = int(argv[1] if len(argv) > 1 else os.environ["SLURM_ARRAY_TASK_ID"])
    with process_settings(), StopRequest() as stop:
        for one in _BEFORE_THE_END:
            signal.signal(one, lambda caught, frame: stop.request(caught))
        load_known()
        for training in folder.trainings(number, os.environ["MLFLOW_TRACKING_URI"]):
            if not stop.requested:
                _train(folder, number, training, stop)
        if stop.signal_number in _BEFORE_THE_END and folder.trainings(number, ""):
            return _queue_again()
        return 128 + stop.signal_number if stop.requested else 0


def _train(folder: JobFolder, number: int, training: Training, stop: StopRequest) -> None:
    identity = training.identity
    arguments = {
        "training": training,
        "owners": folder.owners(number, identity),
        "vain_starts": folder.vain_starts(number, identity),
    }
    folder.say(number, Said.begun(identity))
    said_at = 0.0

    def tell(outcome: Outcome) -> None:
        nonlocal said_at
        now = time.monotonic()
        if now - said_at >= _SECONDS_BETWEEN_WORDS or outcome.text == "evaluating":
            said_at = now
            folder.say(number, Said(identity, outcome.state, outcome.text, outcome.epoch))

    outcome = attempt(Job(identity, train_on_node, arguments), stop, tell)
    text = outcome.text
    if outcome.state == RunOutcome.FAILED and "\n" not in text:
        text = f"on node {socket.gethostname()}: {text}"
    folder.say(number, Said(identity, outcome.state, text, outcome.epoch))


def train_on_node(
    *,
    training: Training,
    owners: set[tuple[str, str]],
    vain_starts: int,
    stop: StopRequest,
    tell: Callable[[str, int], None],
) -> str:
    """Train one model, its journal on this node's disk; its run's id.

    Args:
        training: the model.
        owners: processes whose run it may be: who has submitted the job, and the job itself before it was queued again.
        vain_starts: how often the job has begun it without an epoch finished since.
        stop: told about by signals.
        tell: told of its progress.

    Raises:
        Claimed: another process goes on with the run, or has finished it.
        ConfigError: an epoch takes longer than the job may.
    """
    stop.check()
    if vain_starts >= _VAIN_STARTS:
        raise ConfigError(f"slurm_time must be enough for an epoch: begun {vain_starts} times without finishing one")
    run = Store(training.uri).run(training.run_id)
    owner = run.data.tags.get(Tag.HOST, ""), run.data.tags.get(Tag.PROCESS, "")
    if run.info.status == "RUNNING" and owner not in owners:
        raise Claimed(f"run {training.run_id} is another process's by now")
    with NodeFolder(state_folder(training.config), training.run_id) as node:
        own = replace(training, config=replace(training.config, state_dir=str(node.state_dir)))

        def tell_and_bring_back(doing: str, epoch: int) -> None:
            tell(doing, epoch)
            node.bring_back()

        arguments: dict[str, Any] = own.job().arguments
        return train(**arguments, stop=stop, tell=tell_and_bring_back)


def _queue_again() -> int:
    """Have this job queued once more; the exit code that goes with it."""
    if os.environ.get("SUBMITIT_EXECUTOR") == "local":
        return _AGAIN
    job = os.environ["SLURM_JOB_ID"]
    said = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, timeout=60, check=False)
    if said.returncode:  # the sweep finds the job gone, and submits another one
        print(f"job {job} cannot be queued again: {said.stderr.strip()}", file=sys.stderr)
    return 128 + signal.SIGUSR2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
