"""What runs say about a statement: the verdict, the statistics behind it, and the runs that these rest on."""

__all__ = ["Finding", "Outcome", "Statistic", "told_by"]

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import pandas as pd

from analysis.frame import NotMeasurable
from analysis.number_format import number, span


class Outcome(StrEnum):
    """The verdict."""

    HOLDS = "holds"
    DOES_NOT_HOLD = "does not hold"
    CANNOT_BE_TOLD = "cannot be told"


@dataclass(frozen=True)
class Statistic:
    """A number with its interval.

    Attributes:
        name: what it is, for people.
        value: in `unit`.
        low, high: of the interval of 90 %; None where no interval is known.
        unit: "" for what has none.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""

    def __str__(self) -> str:
        interval = "" if self.low is None or self.high is None else f" ({span(self.low, self.high)})"
        return f"{self.name} = {number(self.value, 3)}{interval} {self.unit}".rstrip()


@dataclass(frozen=True)
class Finding:
    """What the runs of one setting say about one statement.

    Attributes:
        name: word for it.
        statement: what the paper says, as a sentence.
        outcome: the verdict.
        reason: why, in sentences.
        statistics: what it rests on.
        run_ids: the runs that these are of.
        witnesses: the few of them that show it most: those that break it, else the extremes.
        command: makes the runs that would tell; "" where these do.
        setting: title of the runs' setting.
    """

    name: str
    statement: str
    outcome: Outcome
    reason: str
    statistics: tuple[Statistic, ...] = ()
    run_ids: tuple[str, ...] = ()
    witnesses: tuple[str, ...] = ()
    command: str = ""
    setting: str = field(default="", kw_only=True)

    @classmethod
    def by(
        cls,
        name: str,
        statement: str,
        outcome: Outcome,
        reason: str,
        statistics: Sequence[Statistic],
        rows: pd.DataFrame,
        *,
        witnesses: Iterable[int] = (),
        command: str,
    ) -> "Finding":
        """One that these rows were asked for.

        Args:
            rows: the runs, numbered from 0.
            witnesses: which of them are named.
            command: what makes more, kept where they are not enough.
            name, statement, outcome, reason, statistics: as of the class.
        """
        ids = tuple(rows["run_id"].astype(str))
        named = tuple(dict.fromkeys(ids[place] for place in witnesses))
        needed = command if outcome is Outcome.CANNOT_BE_TOLD else ""
        return cls(name, statement, outcome, reason, tuple(statistics), ids, named, needed)

    @classmethod
    def untold(cls, name: str, statement: str, reason: str, command: str) -> "Finding":
        """One that these runs cannot tell, and the command that makes those that would."""
        return cls(name, statement, Outcome.CANNOT_BE_TOLD, reason, command=command)

    @classmethod
    def not_measurable(cls, name: str, statement: str, error: NotMeasurable) -> "Finding":
        """One that no run of these data can tell, and no command that makes such runs."""
        return cls.untold(name, statement, f"{str(error)[:1].upper()}{str(error)[1:]}.", "")


def told_by(statistics: Sequence[Statistic], threshold: float) -> Outcome:
    """By intervals that should all lie above a threshold: one that lies below it is enough against the statement.

    >>> told_by([Statistic("ρ", 0.9, 0.8, 0.95)], 0.5), told_by([Statistic("ρ", 0.6, 0.3, 0.8)], 0.5)
    (<Outcome.HOLDS: 'holds'>, <Outcome.CANNOT_BE_TOLD: 'cannot be told'>)
    """
    if any(one.high is not None and one.high < threshold for one in statistics):
        return Outcome.DOES_NOT_HOLD
    if statistics and all(one.low is not None and one.low > threshold for one in statistics):
        return Outcome.HOLDS
    return Outcome.CANNOT_BE_TOLD
