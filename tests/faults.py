"""Clients of a run store that fail, refuse, or lose their answers."""

import random
from collections.abc import Callable
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

#: What the delivery writes with.
WRITES = ("log_batch", "log_artifact", "log_inputs", "set_tag", "delete_tag", "set_terminated")


class FaultyClient:
    """A client whose writes go through `fault(name, arguments, write)`, which may raise before or after `write()`."""

    def __init__(self, client: MlflowClient, fault: Callable[[str, tuple[Any, ...], Callable[[], Any]], Any]) -> None:
        self._client = client
        self.fault = fault

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name not in WRITES:
            return found

        def write(*arguments: Any, **named: Any) -> Any:
            everything = (*arguments, *named.values())
            return self.fault(name, everything, lambda: found(*arguments, **named))

        return write


def lost_answers(seed: int, share: float) -> Callable[[str, tuple[Any, ...], Callable[[], Any]], Any]:
    """Half of the faults lose the request, half the answer to one that was applied."""
    dice = random.Random(seed)

    def fault(name: str, arguments: tuple[Any, ...], write: Callable[[], Any]) -> Any:
        fails, applied = dice.random() < share, dice.random() < 0.5
        answer = write() if applied or not fails else None
        if fails:
            raise MlflowException("API request failed with exception ('Connection aborted.')")
        return answer

    return fault


def failing(error: Exception, about: str) -> Callable[[str, tuple[Any, ...], Callable[[], Any]], Any]:
    """Whatever speaks of `about` raises the error."""

    def fault(name: str, arguments: tuple[Any, ...], write: Callable[[], Any]) -> Any:
        if about in f"{name} {[_plain(argument) for argument in arguments]}":
            raise error
        return write()

    return fault


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return dict(value) if hasattr(value, "__iter__") and not isinstance(value, str | dict) else value
