"""How a run ended, in a word (tag `hit.ended`), and what that says of it; the reason stands beside it, in prose."""

__all__ = ["COUNTED", "FINAL", "RunOutcome", "RunStatus"]

from enum import StrEnum
from typing import Literal

#: What MLflow calls the end of a run.
RunStatus = Literal["FINISHED", "FAILED", "KILLED"]


class RunOutcome(StrEnum):
    """How the work of a run came to its end; the values stand in the store.

    claimed: another process trains the model; gone: somebody deleted the run; ended early: a rule said that training
    on is no use; interrupted: somebody asked to stop; lost: its process went without a word.
    """

    FINISHED = "finished"
    CLAIMED = "claimed"
    GONE = "gone"
    DIVERGED = "diverged"
    ENDED_EARLY = "ended early"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    LOST = "lost"

    @property
    def status(self) -> RunStatus:
        """What its run says in MLflow's words.

        >>> RunOutcome.LOST.status, RunOutcome.ENDED_EARLY.status
        ('FAILED', 'KILLED')
        """
        match self:
            case RunOutcome.FINISHED:
                return "FINISHED"
            case RunOutcome.DIVERGED | RunOutcome.FAILED | RunOutcome.LOST:
                return "FAILED"
            case _:
                return "KILLED"


#: Of these the model is not trained again, though it has not finished: it would end so again.
FINAL = frozenset({RunOutcome.DIVERGED, RunOutcome.ENDED_EARLY})
#: These came to an end of their own: they count as run. The others stopped on their way, and may go on.
COUNTED = FINAL | {RunOutcome.FINISHED, RunOutcome.FAILED}
