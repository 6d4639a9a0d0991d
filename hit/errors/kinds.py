"""Mistakes that a user can mend, each one line that names the field, the rule and the value; and other ends of a run.

An error says how the work ends that raises it: its `outcome`, which its run has in the store, too, the `exit_code` of
the command, and what its line and the reason in the store begin with. `hit.schema.endings` reads them.
"""

__all__ = [
    "CheckpointError",
    "Claimed",
    "ConfigError",
    "DataError",
    "Diverged",
    "EndedEarly",
    "EndsWork",
    "Interrupted",
    "ItemRefused",
    "NoScorer",
    "OutOfMemory",
    "RunDeleted",
    "RunGone",
    "StoreAway",
    "StoreError",
    "StoreRefused",
    "TakenOver",
    "Unavailable",
    "UserError",
    "nearest",
    "shown",
]

import difflib
import reprlib
from collections.abc import Iterable
from typing import Any

from hit.errors.run_outcomes import RunOutcome

#: So many known words are told at most where none is near.
_FEW = 12
#: So many characters of a value are told at most.
_SHOWN = 200


class EndsWork(Exception):
    """Ends the work that raises it, as its class says."""

    outcome = RunOutcome.FAILED
    exit_code = 1
    begins = "error: "
    reason_begins = ""


class UserError(EndsWork):
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

    outcome = RunOutcome.GONE


class RunDeleted(RunGone):
    """Somebody has deleted the run, or its experiment, on purpose."""


class ItemRefused(StoreError):
    """This one item cannot be delivered; whatever comes behind it can."""


class Claimed(StoreError):
    """Another process is doing this work: the same run, or one of the same config."""

    outcome = RunOutcome.CLAIMED
    reason_begins = "claimed: "


class TakenOver(Claimed):
    """Another process goes on with this very run, since this one was taken for lost: the run is no longer ours."""


class NoScorer(StoreError):
    """The store holds no classifier that is good enough to score samples of a data set."""


class Unavailable(UserError):
    """A measurement needs a package or a file that cannot be had here."""


class OutOfMemory(UserError):
    """A model, or what its batches take, does not fit into the memory of this machine or device."""


class Diverged(EndsWork):
    """The training loss stopped being finite. Carries the reason that the run records."""

    outcome = RunOutcome.DIVERGED
    begins = reason_begins = "diverged: "


class EndedEarly(EndsWork):
    """A rule says that training on is no use: the run ends as KILLED with the reason, and nobody goes on with it."""

    outcome = RunOutcome.ENDED_EARLY
    begins = "ended early: "


class Interrupted(EndsWork):
    """A signal or Ctrl-C asked to stop: the run checkpoints, flushes and ends as KILLED.

    Attributes:
        signal_number: of the signal.
        advice: how to go on, where the work can say so.
    """

    outcome = RunOutcome.INTERRUPTED
    begins = ""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"stopped by signal {signal_number}")
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number
        self.advice = ""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint: the known word nearest to `name`, or all of them where none is near and they are few; '' of none.

    Of many, those least unlike it are named, in the order in which they are known.

    >>> nearest("gvae", ["ghvae", "lvae", "vae"])
    "; did you mean 'ghvae'?"
    >>> nearest("xyz", ["ghvae", "lvae"])
    '; known: ghvae, lvae'
    >>> nearest("xyz", map(str, range(100)))
    '; known: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 88 more'
    >>> nearest("xyz", [])
    ''
    """
    known = list(known)
    if not known:
        return ""
    close = difflib.get_close_matches(name[:_SHOWN], known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    if len(known) <= _FEW:
        return f"; known: {', '.join(known)}"
    likely = dict.fromkeys([*difflib.get_close_matches(name[:_SHOWN], known, n=_FEW, cutoff=0.2), *known])
    told = [*likely][:_FEW]
    return f"; known: {', '.join(one for one in known if one in told)} and {len(known) - len(told)} more"


def shown(value: Any) -> str:
    """A value as messages show it: as Python writes it, and the middle left out where that is long.

    >>> shown("digits"), len(shown("x" * 100_000)), shown([[[[[[[[1]]]]]]]])
    ("'digits'", 200, '[[[[[[[...]]]]]]]')
    """
    try:
        return _Short().repr(value)
    except (ValueError, RecursionError):  # a whole number of thousands of digits
        return f"{type(value).__name__} (too long to be shown)"


class _Short(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = _SHOWN
