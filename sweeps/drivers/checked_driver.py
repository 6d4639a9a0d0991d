"""A driver of an extension, held to the contract of drivers while it is asked."""

__all__ = ["CheckedDriver"]

from collections.abc import Callable
from typing import Any, TypeVar

import pandas as pd

from hit.errors import ConfigError, shown
from sweeps.drivers.driver import Driver, Proposal
from sweeps.spec.answers import answering

AnswerT = TypeVar("AnswerT")


class CheckedDriver(Driver):
    """What it proposes are proposals, at most as many as were asked for, each once, of models that are to be trained.

    Without that a sweep would claim what is trained already again and again.

    Args:
        inner: the driver.
        name: under which it is registered.
    """

    def __init__(self, inner: Driver, name: str) -> None:
        self._inner = inner
        self._label = f"driver {name!r}"

    @property
    def wanted(self) -> int | None:
        return self._inner.wanted

    def propose(self, history: pd.DataFrame, n: int) -> list[Proposal]:
        said = self._asked(self._inner.propose, history, n)
        if not isinstance(said, list | tuple) or not all(isinstance(one, Proposal) for one in said):
            raise ConfigError(f"{self._label} must propose a list of Proposal, got {shown(said)}")
        if len(said) > n:
            raise ConfigError(f"{self._label} must propose at most the {n} that it is asked for, got {len(said)}")
        seen = set(self.taken(history))
        for one in said:
            if one.identity in seen:
                raise ConfigError(
                    f"{self._label} must propose each model once, and none that is finished or running "
                    f"(`Driver.taken`), got {one.identity} again"
                )
            seen.add(one.identity)
        return list(said)

    def mine(self, history: pd.DataFrame) -> pd.DataFrame:
        return self._asked(self._inner.mine, history)

    def done(self, history: pd.DataFrame) -> str:
        return self._asked(self._inner.done, history)

    def situation(self, history: pd.DataFrame) -> str:
        return self._asked(self._inner.situation, history)

    def finished(self, history: pd.DataFrame) -> int:
        return self._asked(self._inner.finished, history)

    def running(self, history: pd.DataFrame) -> int:
        return self._asked(self._inner.running, history)

    def identities(self, history: pd.DataFrame) -> frozenset[str]:
        return self._asked(self._inner.identities, history)

    def _asked(self, method: Callable[..., AnswerT], *arguments: Any) -> AnswerT:
        with answering(self._label, method.__name__):
            return method(*arguments)
