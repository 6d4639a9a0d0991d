"""What Ray runs for its launcher: a task a model, and an actor that keeps what tasks say until the launcher asks."""

__all__ = ["Mailbox", "train_by_ray"]

import contextlib
import os
from typing import Any

from hit.errors.run_outcomes import RunOutcome
from hit.processes.attempts import Outcome, attempt
from hit.processes.memory import GpuMemory, gpu_memory_taken
from hit.processes.setup import keep_freed_memory, worker_variables
from hit.processes.stop import StopRequest
from sweeps.launchers.launcher import Training


class Mailbox:
    """An actor that keeps what tasks say: identity, state, text, epoch."""

    def __init__(self) -> None:
        self._said: list[tuple[str, str, str, int]] = []

    def tell(self, said: tuple[str, str, str, int]) -> None:
        self._said.append(said)

    def take(self) -> list[tuple[str, str, str, int]]:
        said, self._said = self._said, []
        return said


def train_by_ray(training: Training, threads: int, mailbox: Any) -> tuple[str, str, GpuMemory | None]:
    """Train a model in a process of Ray's.

    Args:
        training: what to train.
        threads: CPU threads.
        mailbox: the actor, told of its progress.

    Returns:
        How it ended, in a word and in words; of a training that came to its end also what it took of its GPU.
    """
    os.environ.update(worker_variables(threads))  # read when torch is loaded
    keep_freed_memory()
    said: set[str] = set()

    def tell(outcome: Outcome) -> None:
        said.add(outcome.text)
        with contextlib.suppress(Exception):  # the sweep is gone: Ray ends this process
            mailbox.tell.remote((training.identity, outcome.state, outcome.text, outcome.epoch))

    with StopRequest() as stop:
        outcome = attempt(training.job(), stop, tell)
    whole = outcome.state == RunOutcome.FINISHED and "training" in said  # else only its evaluation may have been left
    return outcome.state, outcome.text, gpu_memory_taken() if whole else None
