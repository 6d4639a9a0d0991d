"""What every driver is: a rule that reads the history and says what to run next."""

__all__ = ["Driver", "Proposal", "once", "with_pending"]

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import pandas as pd

from hit.config import TrainConfig
from hit.config.rates.rate_targets import TARGET
from hit.errors.run_outcomes import FINAL
from hit.schema import Kind
from hit.store.frame_types import outcomes, stack

DriverT = TypeVar("DriverT", bound="Driver")
AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True)
class Proposal:
    """One model to train.

    Attributes:
        config: the model.
        identity: its config hash, as the store knows it.
        reason: why, in words.
    """

    config: TrainConfig
    identity: str
    reason: str


class Driver(ABC):
    """Chooses what to run next from what the store holds. Keeps no state of its own.

    The same history gives the same answer, in whatever order its rows stand: a driver that was killed is
    started again, and one on another machine decides alike.
    """

    @property
    @abstractmethod
    def wanted(self) -> int | None:
        """How many runs it wants in all; None where it has no end of its own."""

    @abstractmethod
    def propose(self, history: pd.DataFrame, n: int) -> list[Proposal]:
        """Up to `n` models that the history lacks; an empty list where there is nothing left to do.

        A model that is finished or running anywhere, or that diverged, is not proposed. Runs that are on
        their way count as if they had come to what is expected of them.

        Args:
            history: one row a run (`hit.store.to_frame`), whoever started it. `with_pending` adds what the
                caller has begun and the store does not show yet.
            n: how many are asked for.
        """

    @abstractmethod
    def mine(self, history: pd.DataFrame) -> pd.DataFrame:
        """The rows of the history that this driver counts as its own, whoever started them."""

    def done(self, history: pd.DataFrame) -> str:
        """Why its goal is reached, in words; empty where it is not, or where it has none."""
        return ""

    def situation(self, history: pd.DataFrame) -> str:
        """How far it has come, in words, for people; empty where the counts say it all."""
        return ""

    def finished(self, history: pd.DataFrame) -> int:
        """How many of the wanted models the history holds finished."""
        return len(self.identities(history))

    def running(self, history: pd.DataFrame) -> int:
        """How many of the wanted models the history holds running and not finished, whoever runs them."""
        return len(_with_status(self.mine(history), "RUNNING") - self.identities(history))

    def further(self, history: pd.DataFrame) -> int:
        """How many runs beside the wanted ones may still be begun, at most, where it has an end of its own."""
        return 0

    def identities(self, history: pd.DataFrame) -> frozenset[str]:
        """Config hashes of the wanted models that are finished."""
        return _with_status(self.mine(history), "FINISHED")

    @staticmethod
    def taken(history: pd.DataFrame) -> frozenset[str]:
        """Config hashes that are not to be proposed: finished, running, diverged, which would diverge again, or
        ended early by a rule, which would end them again."""
        gone = history["status"].isin(["FINISHED", "RUNNING"]) | outcomes(history).isin(FINAL)
        return frozenset(history.loc[gone, "config_hash"].dropna())


def once(method: Callable[[DriverT, pd.DataFrame], AnswerT]) -> Callable[[DriverT, pd.DataFrame], AnswerT]:
    """A method of a driver that remembers its answer for the last history that it was asked about.

    Several things are asked of a driver about one history, and the costly part of them is the same. A history does
    not change: a later one is another frame.
    """
    name = f"_once_{method.__name__}"

    @wraps(method)
    def remembering(self: DriverT, history: pd.DataFrame) -> AnswerT:
        kept: tuple[pd.DataFrame, Any] | None = getattr(self, name, None)
        if kept is None or kept[0] is not history:
            kept = history, method(self, history)
            setattr(self, name, kept)
        answer: AnswerT = kept[1]
        return answer

    return remembering


def with_pending(history: pd.DataFrame, pending: Iterable[Proposal], data_digest: str) -> pd.DataFrame:
    """The history with a RUNNING row for each model that was begun and that it does not show running or finished.

    Args:
        history: one row a run.
        pending: what the caller has under way.
        data_digest: of the data set that they are trained on.
    """
    # A run that has just begun stands in the store without its params, and says nothing of where it is bound for.
    told = history["status"].isin(["RUNNING", "FINISHED"]) & history["model"].notna()
    known = set(history.loc[told, "config_hash"])
    rows = [
        {name: value for name, value in one.config.to_flat().items() if name in history or TARGET.match(name)}
        | {"run_id": f"pending {one.identity}", "config_hash": one.identity, "group": one.config.group(data_digest)}
        | {"data_digest": data_digest, "kind": Kind.TRAIN.value, "status": "RUNNING"}
        for one in pending
        if one.identity not in known
    ]
    return stack([history, pd.DataFrame(rows)]) if rows else history


def _with_status(rows: pd.DataFrame, status: str) -> frozenset[str]:
    return frozenset(rows.loc[rows["status"] == status, "config_hash"].dropna())
