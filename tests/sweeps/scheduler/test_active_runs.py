"""A run that waits for its worker says that it is alive, until its worker does."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, TEMPORARILY_UNAVAILABLE

from hit.delivery.delivery import HEARTBEAT_SECONDS
from hit.errors import StoreAway
from hit.processes.attempts import Outcome
from hit.schema import Tag
from sweeps.scheduler.active_runs import ActiveRun, ActiveRuns
from tests.stores import new_database
from tests.sweeps.scheduler.test_loop import Bench


class Waiting:
    """A run in a queue, and a clock that is put forward."""

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bench = bench
        self.runs: ActiveRuns = bench.active_runs()
        self.later = 0.0
        clock = SimpleNamespace(monotonic=lambda: time.monotonic() + self.later, time=lambda: 1000 + self.later)
        monkeypatch.setattr("sweeps.scheduler.active_runs.time", clock)
        self.active: ActiveRun = self.runs.begin(bench.proposal(), bench.models())
        self.first = self.heartbeat

    @property
    def heartbeat(self) -> str | None:
        return self.bench.store.run(self.active.training.run_id).data.tags.get(Tag.HEARTBEAT)

    def after(self, heartbeats: float) -> str | None:
        """The heartbeat that stands in the store once so many are due since the last time."""
        self.later += heartbeats * HEARTBEAT_SECONDS
        self.runs.keep_alive()
        return self.heartbeat


@pytest.fixture
def waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Waiting:
    return Waiting(Bench(tmp_path, new_database(tmp_path / "store.db")), monkeypatch)


def test_a_run_in_a_queue_is_kept_alive(waiting: Waiting) -> None:
    assert waiting.after(0.5) == waiting.first, "it has only been begun"
    assert waiting.after(4.5) == f"{1000 + 5 * HEARTBEAT_SECONDS:.0f}"
    said = waiting.heartbeat
    assert waiting.after(3.5) == said, "the store is not asked at every look"
    assert waiting.after(1.0) != said


def test_whoever_trains_it_says_so_itself(waiting: Waiting) -> None:
    waiting.runs.update(Outcome(waiting.active.training.job(), "progress", "training", 1))
    assert waiting.after(5) == waiting.first


def test_a_store_that_is_away_is_asked_again(waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*arguments: object) -> None:
        raise MlflowException("no answer", error_code=TEMPORARILY_UNAVAILABLE)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_tag", away)
        with pytest.raises(StoreAway):
            waiting.after(5)
    assert waiting.after(0) != waiting.first, "at once, when it answers"


def test_a_run_that_somebody_deleted_stops_nothing(waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object) -> None:
        raise MlflowException("no such run", error_code=RESOURCE_DOES_NOT_EXIST)

    monkeypatch.setattr(MlflowClient, "set_tag", refused)
    assert waiting.after(5) == waiting.first
