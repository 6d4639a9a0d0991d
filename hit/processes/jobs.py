"""Pieces of work done here, or by a pool of processes: the same outcomes either way."""

__all__ = ["run_jobs"]

from collections.abc import Iterator, Sequence

from hit.errors.run_outcomes import RunOutcome
from hit.processes.attempts import Job, Outcome, attempt
from hit.processes.pool import WorkerPool
from hit.processes.stop import StopRequest


def run_jobs(jobs: Sequence[Job], *, workers: int, threads: int = 0, stop: StopRequest) -> Iterator[Outcome]:
    """How every job ended, in the order in which they end; what goes wrong in one costs no other.

    Args:
        jobs: with identities that differ.
        workers: processes, which divide the CPUs; with 1, or one job alone, the work is done in this one.
        threads: CPU threads of each process; 0 divides those of this machine.
        stop: told about by SIGTERM and Ctrl-C; the processes end what they do cleanly.

    Raises:
        Interrupted: `stop` was requested.
    """
    if workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            stop.check()
            outcome = attempt(job, stop, lambda progress: None)
            if outcome.state == RunOutcome.INTERRUPTED:
                stop.check()
            yield outcome
        return
    waiting = list(jobs)
    left = len(jobs)
    pool = WorkerPool(min(workers, len(jobs)), threads)
    try:
        while left:
            stop.check()
            while waiting and pool.free:
                pool.submit(waiting.pop(0))
            for outcome in pool.outcomes(timeout=0.5):
                if outcome.state != "progress":
                    left -= 1
                    yield outcome
    finally:
        with stop.whole(ends=True):
            pool.stop(lambda: stop.hurried)
