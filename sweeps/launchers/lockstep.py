"""Models trained together: what shares an architecture, data, batch size and epochs takes its steps as one block."""

__all__ = ["LockstepLauncher", "train_together"]

import itertools
import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import replace

from hit.config import machine_fields
from hit.errors.run_outcomes import RunOutcome
from hit.processes.attempts import Job, Outcome
from hit.processes.pool import WorkerPool
from hit.processes.stop import StopRequest
from sweeps.launchers.launcher import Launcher, Training, watches_of
from sweeps.launchers.settling import VISIBLE, visible_gpus

#: Models that a process is given at most where nobody says how many: it parts them as its device holds them.
MOST = 512


class LockstepLauncher(Launcher):
    """Worker processes, one a GPU, each of which trains a block of models at a time (`hit.runs.blocks.block_run`).

    What is submitted before the launcher is asked for outcomes is put into blocks; models that share nothing with
    another are trained alone. While a block is trained its process takes no more.

    Args:
        workers: how many processes; several divide the GPUs of this machine.
        block: models that each is given at most.
        threads: CPU threads of each; 0 divides those of this machine.
    """

    def __init__(self, workers: int, block: int = MOST, threads: int = 0) -> None:
        self._workers, self._block, self._threads = workers, block, threads
        self._pool: WorkerPool | None = None
        self._waiting: list[Training] = []
        #: Block → its models that have not ended, by their identity.
        self._under_way: dict[str, dict[str, Job]] = {}
        self._numbers = itertools.count(1)

    @property
    def free(self) -> int:
        idle = self._workers if self._pool is None else self._pool.free
        return max(0, self._block * idle - len(self._waiting))

    def submit(self, training: Training) -> None:
        if self._pool is None:
            gpus = visible_gpus(training.config.device)
            own = [{VISIBLE: gpus[index % len(gpus)]} for index in range(self._workers)] if len(gpus) > 1 else []
            self._pool = WorkerPool(self._workers, self._threads, own)
        self._waiting.append(training)

    def outcomes(self, timeout: float) -> Iterator[Outcome]:
        if self._pool is None:
            return
        self._start_blocks(self._pool)
        heard = list(self._pool.outcomes(timeout))
        while heard:  # many end at once: what they say is heard together
            for outcome in heard:
                yield from self._of_members(outcome)
            heard = list(self._pool.outcomes(0))

    def stop(self, hurried: Callable[[], bool] = lambda: False) -> list[Outcome]:
        said = [] if self._pool is None else self._pool.stop(hurried)
        ended = [outcome for one in said for outcome in self._of_members(one)]
        waiting, self._waiting = self._waiting, []
        return ended + [
            Outcome(training.job(), RunOutcome.INTERRUPTED, "stopped before it began") for training in waiting
        ]

    def _start_blocks(self, pool: WorkerPool) -> None:
        while self._waiting and pool.free:
            share = min(self._block, math.ceil(len(self._waiting) / pool.free))
            key = _shared(self._waiting[0])
            alike = [training for training in self._waiting if _shared(training) == key][:share]
            self._waiting = [training for training in self._waiting if training not in alike]
            block = Job(f"block {next(self._numbers)}", train_together, {"trainings": alike})
            self._under_way[block.identity] = {training.identity: training.job() for training in alike}
            pool.submit(block)

    def _of_members(self, outcome: Outcome) -> Iterator[Outcome]:
        """What a block says, as what each of its models would say alone."""
        members = self._under_way[outcome.job.identity]
        if outcome.state == RunOutcome.FINISHED and outcome.is_last:
            outcome = replace(outcome, state=RunOutcome.FAILED, text="its block ended without a word of it")
        for identity in outcome.parts or tuple(members):
            job = members[identity] if outcome.state == "progress" else members.pop(identity)
            yield replace(outcome, job=job, parts=())
        if outcome.is_last:
            del self._under_way[outcome.job.identity]


def train_together(*, trainings: Sequence[Training], stop: StopRequest, tell: Callable[..., None]) -> str:
    """Train models of one block in their runs (`hit.runs.blocks.block_run.train_block`)."""
    from hit.runs.blocks import BlockMember, train_block
    from hit.runs.model_run import RunRequest

    first = trainings[0]
    watches = watches_of(first.early_stopping, [one.config for one in trainings], first.experiment, first.uri)
    members = [
        BlockMember(
            one.identity,
            one.config,
            RunRequest(experiment=one.experiment, run_id=one.run_id, sweep=one.sweep, exclusive=True),
            watch,
        )
        for one, watch in zip(trainings, watches, strict=True)
    ]
    return train_block(members, uri=first.uri, stop=stop, tell=tell)


def _shared(training: Training) -> Hashable:
    """What the models of a block have in common: beside what makes a block, where and how they are trained."""
    from hit.training.lockstep import block_key

    machine = tuple(sorted((name, getattr(training.config, name)) for name in machine_fields()))
    return block_key(training.config), machine, str(training.experiment), training.uri, training.early_stopping
