"""Many runs measured, in this process or in several."""

__all__ = ["Verdict", "evaluate_runs"]

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hit.jobs import run_jobs
from hit.reevaluation import Candidate, reevaluate_run
from hit.run_outcomes import RunOutcome
from hit.stop import StopRequest
from hit.store import Store
from hit.workers import Job, Outcome


@dataclass(frozen=True)
class Verdict:
    """What came of one run.

    Attributes:
        candidate: the run.
        text: what was measured, why nothing was, or what went wrong.
        failed: whether something went wrong.
    """

    candidate: Candidate
    text: str
    failed: bool = False


def evaluate_runs(
    store: Store, asked: Sequence[Candidate], *, workers: int, stop: StopRequest, **options: Any
) -> Iterator[Verdict]:
    """A verdict on every candidate, in the order in which they come about; none is left out in silence.

    Args:
        store: where the runs are.
        asked: the candidates.
        workers: processes, which divide the CPUs; 1 measures in this one.
        stop: told about by SIGTERM and Ctrl-C: what is measured by then stands in its runs.
        options: further arguments of `reevaluate`.

    Raises:
        Interrupted: `stop` was requested.
    """
    yield from (Verdict(candidate, candidate.skip) for candidate in asked if candidate.skip)
    todo = {candidate.run.info.run_id: candidate for candidate in asked if not candidate.skip}
    uri = str(store.client.tracking_uri)
    jobs = [
        Job(run_id, reevaluate_run, {"run_id": run_id, "groups": sorted(candidate.groups), "uri": uri, **options})
        for run_id, candidate in todo.items()
    ]
    for outcome in run_jobs(jobs, workers=workers, threads=options["threads"], stop=stop):
        yield _verdict(todo[outcome.job.identity], outcome)


def _verdict(candidate: Candidate, outcome: Outcome) -> Verdict:
    if outcome.state in (RunOutcome.FINISHED, RunOutcome.CLAIMED):
        return Verdict(candidate, outcome.text)
    return Verdict(candidate, f"error: {outcome.text.strip().splitlines()[-1]}", failed=True)
