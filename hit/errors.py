"""Mistakes that a user can mend: each is one line that names the field, the rule and the value."""

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
    "Unavailable",
    "UserError",
    "nearest",
]

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in what the user asked for. Entry points print it as one line and exit with 2."""


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


class RunDeleted(RunGone):
    """Somebody has deleted the run, or its experiment, on purpose."""


class ItemRefused(StoreError):
    """This one item cannot be delivered; whatever comes behind it can."""


class Claimed(StoreError):
    """Another process is doing this work: the same run, or one of the same config."""


class NoJudge(StoreError):
    """The store holds no classifier that is good enough to score samples of a data set."""


class Unavailable(UserError):
    """A measurement needs a package or a file that cannot be had here."""


class Diverged(Exception):
    """The training loss stopped being finite. Carries the reason that the run records."""


class EndedEarly(Exception):
    """A rule says that training on is no use: the run ends as KILLED with the reason, and nobody goes on with it."""


class Interrupted(Exception):
    """SIGTERM or Ctrl-C arrived: the run checkpoints, flushes and ends as KILLED.

    Attributes:
        signal_number: of the signal.
        advice: how to go on, where the work can say so.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by signal {signal_number}")
        self.signal_number = signal_number
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
