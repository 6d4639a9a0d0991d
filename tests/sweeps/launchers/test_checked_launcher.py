"""A launcher of an extension that breaks the contract ends the sweep by one line."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from hit.errors import ConfigError, StoreAway
from hit.errors.run_outcomes import RunOutcome
from hit.processes.attempts import Outcome
from sweeps.launchers import Launcher, Training
from sweeps.launchers.checked_launcher import CheckedLauncher
from tests.replay import BASE

TRAINING = Training("a model", BASE, "run", "hit", "sweep", "sqlite:///none.db")
ENDED = Outcome(TRAINING.job(), RunOutcome.FINISHED)


class _Says(Launcher):
    """Says what the test wants it to: a function is asked."""

    def __init__(self, **said: Any) -> None:
        self._said = said

    def _say(self, what: str, usual: Any = None) -> Any:
        said = self._said.get(what, usual)
        return said() if callable(said) else said

    @property
    def free(self) -> Any:
        return self._say("free", 1)

    def submit(self, training: Training) -> None:
        self._say("submit")

    def outcomes(self, timeout: float) -> Iterator[Outcome]:
        return self._say("outcomes")

    def stop(self, hurried: Callable[[], bool] = lambda: False) -> list[Outcome]:
        return self._say("stop", [])

    def __enter__(self) -> Any:
        return self._say("enter", self)


def _use(launcher: Launcher) -> None:
    """As a sweep does."""
    with launcher:
        assert launcher.free
        launcher.submit(TRAINING)
        list(launcher.outcomes(0))
        launcher.stop()


def _raise() -> None:
    raise ValueError("the queue\nis full")


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"free": "many"}, "must have a whole number of 0 or more as `free`, got 'many'"),
        ({"free": -1}, "must have a whole number of 0 or more as `free`, got -1"),
        ({"free": _raise}, "must answer `free` without an error, got ValueError: the queue$"),
        ({"submit": _raise}, "must answer `submit` without an error, got ValueError: the queue$"),
        ({"enter": _raise}, "must answer `__enter__` without an error, got ValueError: the queue$"),
        ({"enter": None, "outcomes": []}, "must be entered as a Launcher, got None"),
        ({"outcomes": None}, "must answer `outcomes` without an error, got TypeError: 'NoneType' object is not it"),
        ({"outcomes": ["what"]}, "must tell of models by Outcome, got 'what'"),
        ({"outcomes": [ENDED, ENDED]}, "must tell of models that it was given, .* got 'a model'"),
        ({"outcomes": [replace(ENDED, state="well")]}, "must tell 'progress', or how a model ended .* got 'well'"),
        ({"outcomes": [], "stop": None}, "must answer `stop` by a list of Outcome, got None"),
        ({"outcomes": [], "stop": _raise}, "must answer `stop` without an error, got ValueError: the queue$"),
    ],
)
def test_what_it_does_wrongly_is_one_line(said: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=f"^launcher 'mine' {fault}"):
        _use(CheckedLauncher(_Says(**said), "mine"))


def test_what_it_tells_is_handed_on() -> None:
    doing = Outcome(TRAINING.job(), "progress", "training", 1)
    launcher = CheckedLauncher(_Says(outcomes=lambda: iter([doing, ENDED])), "mine")
    launcher.submit(TRAINING)
    assert list(launcher.outcomes(0)) == [doing, ENDED]


def test_an_error_of_ours_stays_as_it_is() -> None:
    def away() -> None:
        raise StoreAway("the store is away")

    with pytest.raises(StoreAway, match=r"^the store is away$"):
        CheckedLauncher(_Says(submit=away), "mine").submit(TRAINING)
