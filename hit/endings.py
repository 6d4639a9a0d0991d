"""How work ends that an error has ended: in a word, in the store, for the command and for people."""

__all__ = ["REASON_LENGTH", "Ending", "ending"]

from dataclasses import dataclass

from hit.errors import Claimed, Diverged, EndedAs, EndedEarly, Interrupted, Status, UserError

#: A status reason in the store has at most so many letters.
REASON_LENGTH = 500


@dataclass(frozen=True)
class Ending:
    """How work ended.

    Attributes:
        outcome: in a word.
        status: of its run.
        reason: why, for the run's tag `hit.status_reason`; empty where it finished.
        exit_code: of the command.
        line: what the command says; empty where it says a traceback.
    """

    outcome: EndedAs
    status: Status
    reason: str
    exit_code: int
    line: str = ""


def ending(error: BaseException | None) -> Ending:
    """What an error makes of the work that raised it; None is work that finished.

    >>> ended = ending(Diverged("the loss is nan"))
    >>> ended.status, ended.reason, ended.exit_code
    ('FAILED', 'diverged: the loss is nan', 1)
    """
    match error:
        case None:
            return Ending("finished", "FINISHED", "", 0)
        case KeyboardInterrupt():
            return Ending("interrupted", "KILLED", "interrupted", 130, _line("interrupted", error))
        case UserError() | Diverged() | EndedEarly() | Interrupted():
            line = _line(f"{error.begins}{error}{getattr(error, 'advice', '')}", error)
            return Ending(error.outcome, error.status, _reason(error), error.exit_code, line)
        case _:
            said = f"{type(error).__name__}: {error}".splitlines()[0]
            return Ending("failed", "FAILED", said[:REASON_LENGTH], 1)


def _reason(error: BaseException) -> str:
    lead = "claimed: " if isinstance(error, Claimed) else "diverged: " if isinstance(error, Diverged) else ""
    return f"{lead}{error}"[:REASON_LENGTH]


def _line(said: str, error: BaseException) -> str:
    """One line, with what was noted beside the error."""
    return " ".join("; ".join([said, *getattr(error, "__notes__", [])]).split())
