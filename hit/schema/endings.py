"""How work ends that an error has ended: in a word, in the store, for the command and for people; and read back."""

__all__ = ["END_TAGS", "REASON_LENGTH", "Ending", "end_tags", "ending", "outcome_of", "recorded_outcome"]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hit.errors import EndsWork
from hit.errors.run_outcomes import RunOutcome, RunStatus
from hit.schema.names import Tag

if TYPE_CHECKING:
    from mlflow.entities import Run

#: A status reason in the store has at most so many letters.
REASON_LENGTH = 500
#: What says how a run ended; taken away when it goes on.
END_TAGS = (Tag.ENDED, Tag.STATUS_REASON, Tag.DIVERGED, Tag.ENDED_EARLY)

#: What the tag says of a run that did not finish.
_WORDS = frozenset(RunOutcome) - {RunOutcome.FINISHED}
#: Tags that people filter by, each of one outcome.
_FLAGS = {RunOutcome.DIVERGED: Tag.DIVERGED, RunOutcome.ENDED_EARLY: Tag.ENDED_EARLY}
#: How the reasons begin of runs that were written before there was `hit.ended`. Nothing else reads them.
_EARLIER_REASONS = {
    "diverged": RunOutcome.DIVERGED,
    "outside the region": RunOutcome.ENDED_EARLY,
    "pruned": RunOutcome.ENDED_EARLY,
    "lost": RunOutcome.LOST,
    "stopped by": RunOutcome.INTERRUPTED,
    "interrupted": RunOutcome.INTERRUPTED,
    "claimed": RunOutcome.CLAIMED,
}


@dataclass(frozen=True)
class Ending:
    """How work ended.

    Attributes:
        outcome: in a word.
        reason: why, for the run's tag `hit.status_reason`; empty where it finished.
        exit_code: of the command.
        line: what the command says; empty where it says a traceback.
    """

    outcome: RunOutcome
    reason: str
    exit_code: int
    line: str = ""

    @property
    def status(self) -> RunStatus:
        """Of its run."""
        return self.outcome.status


def ending(error: BaseException | None) -> Ending:
    """What an error makes of the work that raised it; None is work that finished.

    >>> from hit.errors import Diverged
    >>> ended = ending(Diverged("the loss is nan"))
    >>> ended.status, ended.reason, ended.exit_code
    ('FAILED', 'diverged: the loss is nan', 1)
    """
    match error:
        case None:
            return Ending(RunOutcome.FINISHED, "", 0)
        case KeyboardInterrupt():
            return Ending(RunOutcome.INTERRUPTED, "interrupted", 130, _line("interrupted", error))
        case EndsWork():
            line = _line(f"{error.begins}{error}{getattr(error, 'advice', '')}", error)
            return Ending(error.outcome, f"{error.reason_begins}{error}"[:REASON_LENGTH], error.exit_code, line)
        case _:
            said = f"{type(error).__name__}: {error}".splitlines()[0]
            return Ending(RunOutcome.FAILED, said[:REASON_LENGTH], 1)


def end_tags(outcome: RunOutcome, reason: str) -> dict[str, str]:
    """The tags of a run that ended so; a reason without credentials, '' for none.

    >>> end_tags(RunOutcome.DIVERGED, "diverged: the loss is nan")
    {'hit.ended': 'diverged', 'hit.diverged': 'true', 'hit.status_reason': 'diverged: the loss is nan'}
    """
    tags = {str(Tag.ENDED): str(outcome)}
    if outcome in _FLAGS:
        tags[str(_FLAGS[outcome])] = "true"
    if reason:
        tags[str(Tag.STATUS_REASON)] = reason[:REASON_LENGTH]
    return tags


def outcome_of(run: "Run") -> RunOutcome | None:
    """How a run of the store ended; None where it has not.

    `mlflow run` says FAILED of what ended as KILLED (`hit.tracking.project_status`): the tags are right, then.
    """
    return recorded_outcome(run.data.tags, run.info.status)


def recorded_outcome(tags: Mapping[str, str], status: str) -> RunOutcome | None:
    """The same, from a run's tags and its status.

    >>> recorded_outcome({"hit.ended": "lost"}, "FAILED")
    <RunOutcome.LOST: 'lost'>
    >>> recorded_outcome({"hit.status_reason": "stopped by signal 15"}, "FAILED")
    <RunOutcome.INTERRUPTED: 'interrupted'>
    """
    if status not in ("FAILED", "KILLED"):
        return RunOutcome.FINISHED if status == "FINISHED" else None
    word = tags.get(Tag.ENDED, "")
    if word in _WORDS:
        return RunOutcome(word)
    for outcome, flag in _FLAGS.items():
        if tags.get(flag) == "true":
            return outcome
    reason = tags.get(Tag.STATUS_REASON) or ""
    earlier = (outcome for beginning, outcome in _EARLIER_REASONS.items() if reason.startswith(beginning))
    return next(earlier, RunOutcome.FAILED if status == "FAILED" else RunOutcome.INTERRUPTED)


def _line(said: str, error: BaseException) -> str:
    """One line, with what was noted beside the error."""
    return " ".join("; ".join([said, *getattr(error, "__notes__", [])]).split())
