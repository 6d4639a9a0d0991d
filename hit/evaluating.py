"""Many runs measured, in this process or in several."""

__all__ = ["Verdict", "evaluate_runs"]

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hit.errors import Claimed, Diverged, UserError
from hit.reevaluation import Candidate, reevaluate, reevaluate_run
from hit.stop import StopRequest
from hit.store import Store
from hit.workers import Job, Outcome, WorkerPool


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
    todo = []
    for candidate in asked:
        if candidate.skip:
            yield Verdict(candidate, candidate.skip)
        else:
            todo.append(candidate)
    if workers == 1 or len(todo) <= 1:
        for candidate in todo:
            stop.check()
            yield _here(store, candidate, stop, options)
    else:
        yield from _in_processes(str(store.client.tracking_uri), todo, min(workers, len(todo)), stop, options)


def _here(store: Store, candidate: Candidate, stop: StopRequest, options: dict[str, Any]) -> Verdict:
    try:
        return Verdict(candidate, reevaluate(store, candidate, stop=stop, **options).summary())
    except Claimed as error:
        return Verdict(candidate, str(error))
    except (UserError, Diverged) as error:
        return Verdict(candidate, f"error: {error}", failed=True)


def _in_processes(
    uri: str, todo: list[Candidate], workers: int, stop: StopRequest, options: dict[str, Any]
) -> Iterator[Verdict]:
    left = {candidate.run.info.run_id: candidate for candidate in todo}
    waiting = list(left)
    with WorkerPool(workers, options["threads"]) as pool:
        while left:
            stop.check()
            while waiting and pool.free:
                run_id = waiting.pop(0)
                arguments = {"run_id": run_id, "groups": sorted(left[run_id].groups), "uri": uri, **options}
                pool.submit(Job(run_id, reevaluate_run, arguments))
            for outcome in pool.outcomes(timeout=0.5):
                if outcome.state != "progress":
                    yield _verdict(left.pop(outcome.job.identity), outcome)


def _verdict(candidate: Candidate, outcome: Outcome) -> Verdict:
    if outcome.state in ("finished", "claimed"):
        return Verdict(candidate, outcome.text)
    return Verdict(candidate, f"error: {outcome.text.strip().splitlines()[-1]}", failed=True)
