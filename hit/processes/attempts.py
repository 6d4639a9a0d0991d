"""Pieces of work that are attempted, here or in another process, and what comes of each."""

__all__ = ["Job", "Outcome", "attempt", "how_it_ended"]

import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from hit.errors import EndsWork
from hit.errors.redaction import redact
from hit.errors.run_outcomes import RunOutcome
from hit.processes.memory import as_refusal
from hit.processes.stop import StopRequest


@dataclass(frozen=True)
class Job:
    """One piece of work for a worker.

    Attributes:
        identity: tells it from others.
        work: a function of a module, called with the arguments, `stop` (a StopRequest to be checked) and `tell`
            (to be told what it is doing, and of how many epochs are done; and of several pieces of work that it does
            at once by further fields of `Outcome`); what it returns goes into the outcome.
        arguments: its keyword arguments.
    """

    identity: str
    work: Callable[..., str]
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What a worker says of its job.

    Attributes:
        job: which.
        state: progress, or how it ended.
        text: what it is doing, what the work returned, or why it failed.
        epoch: epochs done.
        parts: of a job that does several pieces of work, those that it speaks of; none: of the job as a whole.
    """

    job: Job
    state: RunOutcome | Literal["progress"]
    text: str = ""
    epoch: int = 0
    parts: tuple[str, ...] = ()

    @property
    def is_last(self) -> bool:
        """Whether nothing more is told of the job."""
        return self.state != "progress" and not self.parts


def attempt(job: Job, stop: StopRequest, tell: Callable[[Outcome], None]) -> Outcome:
    """Do a job and say what came of it, whatever that is.

    Args:
        job: what to do.
        stop: handed on to it.
        tell: told of its progress.
    """

    def say(doing: str, epoch: int = 0, **further: Any) -> None:
        tell(replace(Outcome(job, "progress", doing, epoch), **further))

    try:
        return Outcome(job, RunOutcome.FINISHED, job.work(**job.arguments, stop=stop, tell=say))
    except (Exception, KeyboardInterrupt) as error:
        return Outcome(job, *how_it_ended(error))


def how_it_ended(error: BaseException) -> tuple[RunOutcome, str]:
    """What an error makes of the work that raised it, and why in words: one line of what a user can mend."""
    match error:
        case EndsWork():
            return error.outcome, str(error)
        case KeyboardInterrupt():  # a second Ctrl-C
            return RunOutcome.INTERRUPTED, "interrupted"
        case _:
            whole = "".join(traceback.format_exception(error))
            return RunOutcome.FAILED, redact(str(as_refusal(error) or whole))
