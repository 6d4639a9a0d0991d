"""How a sweep fares, for people: a line on the terminal, plain lines without one, and a note in the UI."""

__all__ = ["Best", "Standing", "SweepProgress", "last_line", "seconds_text"]

import logging
import math
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import pandas as pd
from tqdm import tqdm

from analysis.frame import data_form
from hit.errors.run_outcomes import RunOutcome
from hit.schema import DataForm, described

_LOG = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 60.0
_BAR = "{desc}: {percentage:3.0f}%|{bar:20}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]"
_BAR_WITHOUT_END = "{desc}: {n_fmt} finished [{elapsed}{postfix}]"


@dataclass(frozen=True)
class Best:
    """The best value of a metric so far: its name in the store, the value, and the run that has it."""

    name: str
    value: float
    run_id: str
    form: DataForm | None = None

    @classmethod
    def of(cls, history: pd.DataFrame, name: str) -> "Best | None":
        """From the finished runs of a history; None where no run has the metric, or no end of it is better."""
        direction = described(name).direction
        if name not in history or direction is None:
            return None
        rows = history[(history["status"] == "FINISHED") & history[name].notna()]
        if rows.empty:
            return None
        values = rows[name].to_numpy(float)
        place = int(values.argmax() if direction == "maximize" else values.argmin())
        return cls(name, float(values[place]), str(rows["run_id"].iloc[place]), data_form(rows.iloc[[place]]))

    def __str__(self) -> str:
        declared = described(self.name).of(self.form)
        return f"best {declared.label} {self.value:.4g}{f' {declared.unit}' if declared.unit else ''}"


@dataclass(frozen=True)
class Standing:
    """How a sweep stands.

    Attributes:
        finished: wanted runs that the store holds finished, whoever trained them.
        wanted: how many are wanted in all; None where nobody knows.
        total: how many of these there will be, finished or not, when the sweep ends: as many as are wanted, or as its
            budget allows; None where nobody knows.
        running: runs that it has under way.
        counts: outcomes of the runs that it started (`finished`, `failed`, …).
        best: of its runs.
        seconds_left: an estimate; None where there is nothing to estimate it by.
        situation: what its driver says.
    """

    finished: int
    wanted: int | None
    running: int
    counts: Mapping[str, int]
    total: int | None = None
    best: Best | None = None
    seconds_left: float | None = None
    situation: str = ""

    @property
    def failed(self) -> int:
        """Runs of its own that did not finish, and that neither a rule has ended nor a person deleted."""
        others = (RunOutcome.FINISHED, RunOutcome.ENDED_EARLY, RunOutcome.GONE)
        return sum(count for state, count in self.counts.items() if state not in others)

    def __str__(self) -> str:
        said = [f"{self.finished}{f' of {self.total}' if self.total is not None else ''} finished"]
        said += [f"{self.running} running", f"{self.failed} failed"]
        if early := self.counts.get(RunOutcome.ENDED_EARLY):
            said.append(f"{early} ended early")
        said += [str(part) for part in (self.best, self.situation) if part]
        if self.seconds_left is not None and round(self.seconds_left) > 0:
            said.append(f"about {seconds_text(self.seconds_left)} left")
        return ", ".join(said)


class SweepProgress:
    """One line on the terminal; without one, a line whenever a run ends, and once a minute."""

    def __init__(self) -> None:
        self._bar = tqdm(desc="sweep", disable=None, bar_format=_BAR_WITHOUT_END)
        self._told_at = time.monotonic()
        self._durations: list[float] = []
        self._said = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()

    def note_duration(self, seconds: float) -> None:
        """A run has taken so long."""
        self._durations.append(seconds)

    def seconds_left(self, runs_left: float, at_once: int) -> float | None:
        """Estimate from the runs so far; None before the first has ended, or where nobody knows how many are left."""
        if not self._durations or not math.isfinite(runs_left):
            return None
        return statistics.mean(self._durations) * max(0.0, runs_left) / max(1, at_once)

    def show(self, standing: Standing, doing: str = "", *, news: bool = False) -> None:
        """Show it.

        Args:
            standing: how the sweep stands.
            doing: what one of its runs is doing, or came to.
            news: whether to say so where there is no terminal.
        """
        if self._bar.disable:
            if news or time.monotonic() - self._told_at > _SECONDS_BETWEEN_LINES:
                self._told_at = time.monotonic()
                _LOG.info("sweep: %s%s", doing and f"{doing}; ", standing)
            return
        self._bar.n, self._bar.total = standing.finished, standing.total
        self._bar.bar_format = _BAR if standing.total else _BAR_WITHOUT_END
        self._bar.set_postfix_str(_short(standing) + (f"; {doing}" if doing else ""), refresh=True)

    def say(self, line: str, *, once: bool = False) -> None:
        """A line of its own; with `once` not again while it is the last one of these."""
        if once and line == self._said:
            return
        self._said = line if once else self._said
        _LOG.info("%s", line)


def seconds_text(seconds: float) -> str:
    """A duration for people.

    >>> [seconds_text(seconds) for seconds in (7.2, 75, 5000, 200000)]
    ['7 s', '1 min 15 s', '1 h 23 min', '55 h 33 min']
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _short(standing: Standing) -> str:
    """The bar has the counts of finished runs already."""
    return str(standing).partition("finished, ")[2]


def last_line(text: str) -> str:
    """What a traceback, or a message, comes to."""
    return text.strip().rpartition("\n")[2]
