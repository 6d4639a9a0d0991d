"""Models trained by jobs of a SLURM cluster (the extra `slurm`)."""

__all__ = ["SlurmLauncher"]

import contextlib
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hit.delivery.journal import JOURNAL
from hit.delivery.local_state import make_writable, run_folder, unwritable
from hit.errors.run_outcomes import RunOutcome
from hit.processes.attempts import Outcome
from hit.processes.pool import Patience
from hit.processes.setup import THREAD_VARIABLES
from sweeps.launchers.launcher import Launcher, Training
from sweeps.launchers.slurm.job_folder import JobFolder, Said, SaidReader
from sweeps.launchers.slurm.job_queues import JobQueue, NotNow, Rejected, queue_of
from sweeps.launchers.slurm.requirements import folder_of_jobs
from sweeps.spec.launch_options import RunningOptions

_LOG = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parent.parent.parent.parent
_POLL_SECONDS = 0.2
_SECONDS_BETWEEN_TRIES = 30.0
#: While jobs are being stopped, they are looked for more often.
_STOPPING_SECONDS = 1.0
#: A job is gone when it was looked for so often in a row in vain: what it has said last may come late.
_LOOKS_IN_VAIN = 2
#: Of the job that submits, and misleading in another one.
_LEFT_OUT = ("MLFLOW_RUN_ID", "SLURM_", "SRUN_", "PYTHONSAFEPATH")
_KEPT = ("SLURM_CONF",)


@dataclass
class _JobUnderWay:
    job_id: str
    trainings: dict[str, Training]
    reader: SaidReader
    missed: int = 0


class SlurmLauncher(Launcher):
    """Jobs of a cluster, each of which trains a few models one after the other.

    The state directory and the data are on a file system that all nodes share; the journal of a run is on the disk of
    its node while it is trained (`sweeps.launchers.slurm.node_folder`). What is submitted before the launcher is asked
    for outcomes becomes one array. A job that is preempted, or comes to its time limit, leaves its checkpoint and is
    queued again, under its id; of one that is gone without a word the models are told as lost.

    Args:
        workers: jobs at once, waiting or running.
        options: what is asked of SLURM.
        state_dir: the shared folder.

    Raises:
        StoreError: the state directory cannot be written to.
    """

    def __init__(self, workers: int, options: RunningOptions, state_dir: Path) -> None:
        self._workers, self._pack = workers, options.slurm_pack
        self._threads = max(1, int(options.cpus_per_run))
        self._queue: JobQueue = queue_of(options)
        self._state_dir = state_dir
        make_writable(state_dir)
        self._waiting: list[Training] = []
        self._jobs: list[_JobUnderWay] = []
        self._folders: list[Path] = []
        self._ids: set[str] = set()
        self._failed = False
        self._looked_at = self._tried_at = -float("inf")
        self._told: set[str] = set()

    @property
    def free(self) -> int:
        busy = sum(len(job.trainings) for job in self._jobs) + len(self._waiting)
        return max(0, self._workers * self._pack - busy)

    def submit(self, training: Training) -> None:
        journal = run_folder(self._state_dir, training.run_id) / JOURNAL
        try:  # that nothing is logged yet: whoever finds the folder may go on with the run, on any machine
            journal.parent.mkdir(parents=True, exist_ok=True)
            journal.touch()
        except OSError as error:
            raise unwritable(journal.parent, error) from None
        self._waiting.append(training.placed())

    def outcomes(self, timeout: float) -> Iterator[Outcome]:
        deadline = time.monotonic() + timeout
        while True:
            said = [*self._submit_waiting(), *self._listen()]
            yield from said
            if said or time.monotonic() >= deadline or not (self._jobs or self._waiting):
                return
            time.sleep(_POLL_SECONDS)

    def stop(self, hurried: Callable[[], bool] = lambda: False) -> list[Outcome]:
        def hurry() -> None:
            self._queue.cancel([job.job_id for job in self._jobs], hurried=True)

        never = "stopped before it began"
        ended = [Outcome(training.job(), RunOutcome.INTERRUPTED, never) for training in self._waiting]
        self._waiting = []
        self._queue.cancel([job.job_id for job in self._jobs])
        patience = Patience(hurried, hurry)
        interrupted: dict[str, str] = {}
        self._looked_at = -float("inf")
        while self._jobs and patience.left() > 0:
            for outcome in self._listen(interrupted):
                if outcome.state == RunOutcome.LOST:
                    text = interrupted.get(outcome.job.identity, never)
                    ended.append(Outcome(outcome.job, RunOutcome.INTERRUPTED, text))
                elif outcome.state != "progress":
                    ended.append(outcome)
            time.sleep(_POLL_SECONDS)
        while patience.left() > 0 and self._ids & (self._queue.present() or set()):  # what has ended is shutting down
            time.sleep(min(_STOPPING_SECONDS, self._queue.seconds_between_looks))
        for job in self._jobs:
            ended += [Outcome(one.job(), RunOutcome.LOST, "its job did not stop") for one in job.trainings.values()]
        for folder in self._folders if not self._jobs else ():
            if self._failed:  # what it has said may tell why
                JobFolder(folder).note(self._queue.name, [])
            else:
                shutil.rmtree(folder, ignore_errors=True)
        self._jobs, self._folders, self._ids = [], [], set()
        return ended

    def _submit_waiting(self) -> Iterator[Outcome]:
        """Submit what waits as one array; what is not taken has failed, unless it may be taken later."""
        if not self._waiting or time.monotonic() - self._tried_at < _SECONDS_BETWEEN_TRIES:
            return
        waiting, self._waiting = self._waiting, []
        packs = [waiting[start : start + self._pack] for start in range(0, len(waiting), self._pack)]
        try:
            folder = self._new_folder(waiting[0].sweep)
            jobs = JobFolder(folder)
            jobs.write(packs)
            job_ids = self._queue.submit(folder, len(packs), self._environment(waiting[0].uri))
            jobs.note(self._queue.name, job_ids)
        except NotNow as error:
            self._waiting, self._tried_at = waiting, time.monotonic()
            shutil.rmtree(folder, ignore_errors=True)
            self._say(f"SLURM does not take jobs now, and is asked again: {error}")
            return
        except (Rejected, OSError) as error:
            why = (
                str(unwritable(self._state_dir, error))
                if isinstance(error, OSError)
                else f"SLURM rejects its job: {error}"
            )
            yield from (Outcome(training.job(), RunOutcome.FAILED, why) for training in waiting)
            return
        self._folders.append(folder)
        self._ids |= {*job_ids}
        for number, (job_id, pack) in enumerate(zip(job_ids, packs, strict=True)):
            self._jobs.append(_JobUnderWay(job_id, {one.identity: one for one in pack}, jobs.reader(number)))

    def _listen(self, interrupted: dict[str, str] | None = None) -> list[Outcome]:
        """What jobs have said, and which of them are gone.

        Args:
            interrupted: takes identity → why, of models that were interrupted; None: their jobs are queued again.
        """
        told = [outcome for job in self._jobs for outcome in self._heard(job, interrupted)]
        pause = self._queue.seconds_between_looks
        if time.monotonic() - self._looked_at >= (pause if interrupted is None else min(pause, _STOPPING_SECONDS)):
            self._looked_at = time.monotonic()
            present = self._queue.present()
            for job in self._jobs if present is not None else ():
                job.missed = 0 if job.job_id in (present or ()) else job.missed + 1
                if job.missed >= _LOOKS_IN_VAIN:
                    told += self._heard(job, interrupted)
                    told += [
                        Outcome(training.job(), RunOutcome.LOST, f"its job {job.job_id} is gone")
                        for training in job.trainings.values()
                    ]
                    job.trainings.clear()
            for why in sorted({f"{why}" for job, why in self._queue.stuck().items() if self._is_ours(job)}):
                self._say(f"SLURM lets jobs wait: {why} (squeue --me)")
        self._jobs = [job for job in self._jobs if job.trainings]
        return told

    def _is_ours(self, job_id: str) -> bool:
        return any(job.job_id == job_id for job in self._jobs)

    def _heard(self, job: _JobUnderWay, interrupted: dict[str, str] | None) -> Iterator[Outcome]:
        for said in job.reader.news():
            training = job.trainings.get(said.identity)
            if training is None:
                continue
            if said.ended is None:
                if said.state == "progress":
                    yield Outcome(training.job(), "progress", said.text, said.epoch)
            elif said.ended is RunOutcome.INTERRUPTED:  # to go on where its job is queued again
                if interrupted is not None:
                    interrupted[said.identity] = said.text
            else:
                del job.trainings[said.identity]
                yield self._ended(training, said)

    def _ended(self, training: Training, said: Said) -> Outcome:
        assert said.ended is not None
        self._failed = self._failed or said.ended is RunOutcome.FAILED
        folder = run_folder(self._state_dir, training.run_id)
        with contextlib.suppress(OSError):
            if said.ended in (RunOutcome.CLAIMED, RunOutcome.GONE) and not (folder / JOURNAL).stat().st_size:
                (folder / JOURNAL).unlink()
        return Outcome(training.job(), said.ended, said.text)

    def _new_folder(self, sweep: str) -> Path:
        """Readable for nobody else."""
        whole = folder_of_jobs(self._state_dir)
        whole.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{sweep[:8]}-", dir=whole))

    def _environment(self, uri: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in _KEPT or not name.startswith(_LEFT_OUT)}
        kept |= dict.fromkeys(THREAD_VARIABLES, str(self._threads))
        path = os.pathsep.join(filter(None, [str(_ROOT), kept.get("PYTHONPATH", "")]))
        return kept | {"MLFLOW_TRACKING_URI": uri, "PYTHONPATH": path}

    def _say(self, line: str) -> None:
        """Once."""
        if line not in self._told:
            self._told.add(line)
            _LOG.warning(line)
