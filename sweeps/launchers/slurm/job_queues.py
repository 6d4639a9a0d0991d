"""Where jobs wait and run: a SLURM cluster, or processes of this machine in its place. Both by submitit.

Jobs are plain command lines. submitit writes the script for `sbatch` and submits it; its way of handing a Python
function over in a pickle, to be unpickled on the node, is not used.
"""

__all__ = ["JobQueue", "LocalQueue", "NotNow", "Rejected", "SlurmQueue", "queue_of"]

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hit.processes.identity import process_identity
from sweeps.spec.launch_options import RunningOptions
from sweeps.spec.slurm_options import minutes_of

#: Seconds before its limit at which a job is told, at most.
_NOTICE_SECONDS = 90
_ANSWER_SECONDS = 60.0
#: What sbatch says where it may be asked again, and what it would say again.
_PASSES = re.compile(
    r"contact slurm controller|timed out|temporarily|MaxSubmit|Job violates accounting/QOS policy|Transport endpoint",
    re.I,
)
#: Why SLURM lets a job wait for ever.
_STUCK = re.compile(
    r"JobHeld|held|BadConstraints|PartitionTimeLimit|PartitionNodeLimit|DependencyNeverSatisfied|InvalidAccount|InvalidQOS"
)


class Rejected(Exception):
    """A job that is not taken, and would not be if it were submitted again."""


class NotNow(Exception):
    """A job that may be taken later: the controller does not answer, or there are too many."""


class JobQueue(ABC):
    """Takes jobs, and knows which of them are waiting or running.

    Attributes:
        name: tells one cluster from another.
        seconds_between_looks: jobs are looked for no more often.
    """

    name: str
    seconds_between_looks: float

    @abstractmethod
    def submit(self, folder: Path, count: int, environment: Mapping[str, str]) -> list[str]:
        """Submit so many jobs, of which each is told its number, from 0 on; their ids.

        Raises:
            Rejected, NotNow: they are not taken.
        """

    @abstractmethod
    def present(self) -> set[str] | None:
        """Ids of jobs that wait or run; None where that is not to be had now."""

    @abstractmethod
    def cancel(self, job_ids: Sequence[str], *, hurried: bool = False) -> None:
        """End jobs: those that wait at once, those that run by a request to stop, or by a second one."""

    def stuck(self) -> dict[str, str]:
        """Job that waits for what will not come by itself → why."""
        return {}


class SlurmQueue(JobQueue):
    """The cluster of this machine.

    Args:
        options: partition, account and the like.
    """

    seconds_between_looks = 10.0

    def __init__(self, options: RunningOptions) -> None:
        self._options = options
        self._stuck: dict[str, str] = {}
        self.name = _cluster_name()

    def submit(self, folder: Path, count: int, environment: Mapping[str, str]) -> list[str]:
        executor = self._executor(folder)
        executor.parameters["map_count"] = count
        from submitit.core.utils import FailedJobError

        try:
            with _environment(environment):
                job = executor._submit_command(_command(folder))
        except (FailedJobError, OSError) as error:
            raise _refusal(str(error)) from None
        return [f"{job.job_id}_{number}" for number in range(count)]

    def script(self, folder: Path) -> str:
        """What is submitted, but for its array."""
        text: str = self._executor(folder)._make_submission_file_text(_command(folder), "")
        return text

    def present(self) -> set[str] | None:
        said = _ask(["squeue", "--noheader", "--array", "--me", "--format=%i|%r"])
        if said is None:
            return None
        rows = [line.strip().partition("|") for line in said.splitlines()]
        self._stuck = {job: why for job, _, why in rows if _STUCK.search(why)}
        return {job for job, _, _ in rows}

    def cancel(self, job_ids: Sequence[str], *, hurried: bool = False) -> None:
        if job_ids:
            _ask(["scancel", *(["--signal=INT"] if hurried else []), *job_ids])

    def stuck(self) -> dict[str, str]:
        return self._stuck

    def _executor(self, folder: Path) -> Any:
        import submitit

        asked = self._options
        executor = submitit.SlurmExecutor(folder=folder)
        further = dict(word.partition("=")[::2] for word in asked.slurm_options.split())
        notice = min(_NOTICE_SECONDS, int(minutes_of(asked.slurm_time) * 30))
        executor.update_parameters(
            job_name="hit",
            cpus_per_task=int(asked.cpus_per_run),
            array_parallelism=asked.slurm_array_parallelism or 1_000_000,
            signal_delay_s=notice,
            stderr_to_stdout=True,
            additional_parameters={
                "time": asked.slurm_time,
                "requeue": True,
                **({"partition": asked.slurm_partition} if asked.slurm_partition else {}),
                **({"account": asked.slurm_account} if asked.slurm_account else {}),
                **({"mem": asked.slurm_mem} if asked.slurm_mem else {}),
                **({"gpus-per-node": int(asked.gpus_per_run)} if asked.gpus_per_run else {}),
                **{name: value or True for name, value in further.items()},
            },
        )
        return executor


class LocalQueue(JobQueue):
    """Processes of this machine, which have a time limit and are started again as jobs are: to try a sweep.

    Args:
        options: the time limit.
    """

    seconds_between_looks = 0.5

    def __init__(self, options: RunningOptions) -> None:
        self._minutes = minutes_of(options.slurm_time)
        self._jobs: dict[str, Any] = {}
        self.name = f"local, {process_identity()[0]}"

    def submit(self, folder: Path, count: int, environment: Mapping[str, str]) -> list[str]:
        import submitit

        executor = submitit.LocalExecutor(folder=folder)
        notice = min(_NOTICE_SECONDS, int(self._minutes * 30))
        executor.update_parameters(timeout_min=self._minutes, signal_delay_s=notice, stderr_to_stdout=True)
        jobs = []
        with _environment(environment):
            for number in range(count):
                jobs.append(executor._submit_command(f"{_command(folder)} {number}"))
        self._jobs |= {job.job_id: job for job in jobs}
        return [job.job_id for job in jobs]

    def present(self) -> set[str] | None:
        return {name for name, job in self._jobs.items() if job._process.poll() is None}

    def cancel(self, job_ids: Sequence[str], *, hurried: bool = False) -> None:
        for name in job_ids:
            self._jobs[name]._process.send_signal(signal.SIGTERM)  # handed on; what submitit sends ends it in a second


def queue_of(options: RunningOptions) -> JobQueue:
    """The queue that was asked for."""
    return SlurmQueue(options) if options.slurm_executor == "slurm" else LocalQueue(options)


def _command(folder: Path) -> str:
    return shlex.join([sys.executable, "-m", "sweeps.launchers.slurm.node_job", str(folder)])


@contextlib.contextmanager
def _environment(environment: Mapping[str, str]) -> Iterator[None]:
    """What submitit starts inherits this environment: a job has that of whoever submits it."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _refusal(said: str) -> Rejected | NotNow:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.partition("error: ")[2] for line in lines if "error: " in line] or lines[-1:]
    reason = errors[-1] if errors else "nothing"
    return (NotNow if _PASSES.search(said) else Rejected)(reason.removeprefix("Batch job submission failed: "))


def _ask(command: Sequence[str]) -> str | None:
    """What a command of SLURM says; None where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _cluster_name() -> str:
    for line in (_ask(["scontrol", "show", "config"]) or "").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "ClusterName":
            return value.strip()
    return os.environ.get("SLURM_CLUSTER_NAME", "")
