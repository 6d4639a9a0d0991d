"""A launcher of an extension, held to the contract of launchers while it is asked."""

__all__ = ["CheckedLauncher"]

from collections.abc import Callable, Iterator
from typing import Any, Self

from hit.errors import ConfigError, shown
from hit.errors.run_outcomes import RunOutcome
from hit.processes.attempts import Outcome
from sweeps.launchers.launcher import Launcher, Training
from sweeps.spec.answers import answering


class CheckedLauncher(Launcher):
    """What it says of its room is a count, and what it tells are outcomes of models that it was given, each one ended
    once.

    Args:
        inner: the launcher.
        name: under which it is registered.
    """

    def __init__(self, inner: Launcher, name: str) -> None:
        self._inner = inner
        self._label = f"launcher {name!r}"
        self._under_way: set[str] = set()

    @property
    def free(self) -> int:
        with answering(self._label, "free"):
            said: Any = self._inner.free
        if isinstance(said, bool) or not isinstance(said, int) or said < 0:
            raise ConfigError(f"{self._label} must have a whole number of 0 or more as `free`, got {shown(said)}")
        return said

    def submit(self, training: Training) -> None:
        self._under_way.add(training.identity)
        with answering(self._label, "submit"):
            self._inner.submit(training)

    def outcomes(self, timeout: float) -> Iterator[Outcome]:
        with answering(self._label, "outcomes"):
            for outcome in self._inner.outcomes(timeout):
                yield self._checked(outcome)

    def stop(self, hurried: Callable[[], bool] = lambda: False) -> list[Outcome]:
        with answering(self._label, "stop"):
            said: Any = self._inner.stop(hurried)
        if not isinstance(said, list | tuple):
            raise ConfigError(f"{self._label} must answer `stop` by a list of Outcome, got {shown(said)}")
        return [self._checked(outcome) for outcome in said]

    def __enter__(self) -> Self:
        with answering(self._label, "__enter__"):
            entered: Any = self._inner.__enter__()
        if not isinstance(entered, Launcher):
            raise ConfigError(f"{self._label} must be entered as a Launcher, got {shown(entered)}")
        self._inner = entered
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            with answering(self._label, "__exit__"):
                self._inner.__exit__(*exception)
        except ConfigError:
            if exception == (None, None, None):  # else what went wrong first is told
                raise

    def _checked(self, outcome: Any) -> Outcome:
        if not isinstance(outcome, Outcome):
            raise ConfigError(f"{self._label} must tell of models by Outcome, got {shown(outcome)}")
        identity = getattr(outcome.job, "identity", None)
        if identity not in self._under_way:
            raise ConfigError(
                f"{self._label} must tell of models that it was given, and of none that it has told to have ended, "
                f"got {shown(identity if identity is not None else outcome.job)}"
            )
        if outcome.state != "progress":
            if outcome.state not in set(RunOutcome):
                states = ", ".join(repr(str(one)) for one in RunOutcome)
                raise ConfigError(
                    f"{self._label} must tell 'progress', or how a model ended ({states}), got {shown(outcome.state)}"
                )
            self._under_way.remove(identity)
        return outcome
