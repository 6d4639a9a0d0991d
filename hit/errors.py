"""Mistakes that a user can mend, each one line that names the field, the rule and the value; and other ends of a run.

An error says how the work ends that raises it: `outcome` in a word, `status` of its run in the store, `exit_code` of
the command, and what its line `begins` with. `hit.endings` reads them.
"""

__all__ = [
    "CheckpointError",
    "Claimed",
    "ConfigError",
    "DataError",
    "Diverged",
    "EndedEarly",
    "Interrupted",
    "ItemRefused",
    "NoJudge",
    "RunDeleted",
    "RunGone",
    "StoreAway",
    "StoreError",
    "StoreRefused",
    "TakenOver",
    "Unavailable",
    "UserError",
    "nearest",
]

import difflib
from collections.abc import Iterable
from typing import Literal

EndedAs = Literal["finished", "claimed", "gone", "diverged", "ended early", "failed", "interrupted"]
Status = Literal["FINISHED", "FAILED", "KILLED"]


class _Ends(Exception):
    """How the work ends that raises it."""

    outcome: EndedAs = "failed"
    status: Status = "FAILED"
    exit_code = 1
    begins = "error: "


class UserError(_Ends):
    """A mistake in what the user asked for. Entry points print it as one line and exit with 2."""

    exit_code = 2


class ConfigError(UserError):
    """A parameter is unknown, of the wrong type, out of its range, or does not fit another one."""


class DataError(UserError):
    """A data set is unknown, missing, damaged or of the wrong shape."""


class CheckpointError(UserError):
    """A checkpoint is missing, damaged or belongs to another model."""


class StoreError(UserError):
    """The run store does not answer, refuses, or lacks what was asked for."""


class StoreAway(StoreError):
    """The run store does not answer now; it may later. To be waited for, saying why and since when."""


class StoreRefused(StoreError):
    """The run store is not to be had until somebody mends something: credentials, rights, a driver, an address, room.

    Not to be waited for: one line, and what was measured stays on disk.
    """


class RunGone(StoreError):
    """The run, or its experiment, is deleted or is not in this store."""

    outcome: EndedAs = "gone"
    status: Status = "KILLED"


class RunDeleted(RunGone):
    """Somebody has deleted the run, or its experiment, on purpose."""


class ItemRefused(StoreError):
    """This one item cannot be delivered; whatever comes behind it can."""


class Claimed(StoreError):
    """Another process is doing this work: the same run, or one of the same config."""

    outcome: EndedAs = "claimed"
    status: Status = "KILLED"


class TakenOver(Claimed):
    """Another process goes on with this very run, since this one was taken for lost: the run is no longer ours."""


class NoJudge(StoreError):
    """The store holds no classifier that is good enough to score samples of a data set."""


class Unavailable(UserError):
    """A measurement needs a package or a file that cannot be had here."""


class Diverged(_Ends):
    """The training loss stopped being finite. Carries the reason that the run records."""

    outcome: EndedAs = "diverged"
    begins = "diverged: "


class EndedEarly(_Ends):
    """A rule says that training on is no use: the run ends as KILLED with the reason, and nobody goes on with it."""

    outcome: EndedAs = "ended early"
    status: Status = "KILLED"
    begins = "ended early: "


class Interrupted(_Ends):
    """A signal or Ctrl-C asked to stop: the run checkpoints, flushes and ends as KILLED.

    Attributes:
        signal_number: of the signal.
        advice: how to go on, where the work can say so.
    """

    outcome: EndedAs = "interrupted"
    status: Status = "KILLED"
    begins = ""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by signal {signal_number}")
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number
        self.advice = ""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint: the known word nearest to `name`, or all of them where none is near.

    >>> nearest("gvae", ["ghvae", "lvae", "vae"])
    "; did you mean 'ghvae'?"
    >>> nearest("xyz", ["ghvae", "lvae"])
    '; known: ghvae, lvae'
    """
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
