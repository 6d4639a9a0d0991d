"""What every driver is: a rule that reads the history and says what to run next."""

__all__ = ["Driver", "Proposal"]

from abc import ABC, abstractmethod
from dataclasses import dataclass

import pandas as pd

from hit.config import TrainConfig


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
    """Chooses what to run next from what the store holds. Keeps no state of its own."""

    @property
    @abstractmethod
    def wanted(self) -> int | None:
        """How many runs it wants in all; None where it has no end of its own."""

    @abstractmethod
    def propose(self, history: pd.DataFrame, n: int) -> list[Proposal]:
        """Up to `n` models that the history lacks; an empty list where there is nothing left to do.

        Args:
            history: one row a run (`hit.store.to_frame`), whoever started it.
            n: how many are asked for.
        """

    @abstractmethod
    def finished(self, history: pd.DataFrame) -> int:
        """How many of the wanted runs the history holds finished."""

    @abstractmethod
    def running(self, history: pd.DataFrame) -> int:
        """How many of the wanted runs the history holds running, whoever runs them."""
