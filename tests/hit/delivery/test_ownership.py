"""Whose a run is: taken for lost, taken over, deleted, and tags that somebody has typed."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from hit.connection import connect, experiment_id
from hit.delivery.ownership import LOST, Ownership
from hit.errors import RunDeleted, StoreAway, TakenOver
from hit.processes.stop import StopRequest
from hit.recovery import end_lost, mark_lost
from hit.schema import Kind, Tag
from hit.store import Store
from hit.store.run_liveness import is_lost
from hit.tracking import RunWriter
from tests.backends import ON_EVERY_BACKEND, Backend
from tests.commands import PATIENCE_SECONDS
from tests.stores import leaving


@pytest.fixture
def uri(backend: Backend) -> str:
    return backend.uri


@pytest.fixture
def quick_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hit.delivery.delivery.HEARTBEAT_SECONDS", 1.05)
    monkeypatch.setattr("hit.delivery.delivery._SECONDS_BETWEEN_BATCHES", 0.01)


def writer(uri: str, folder: Path, *, run_id: str | None = None, **options: Any) -> RunWriter:
    return RunWriter.begin_or_take_over(run_id, kind=Kind.TRAIN, name="a run", state_dir=folder, uri=uri, **options)


def what_ends(run: RunWriter) -> Exception:
    """What a training with this run ends with, which nobody asks to stop."""
    try:
        with leaving(run):
            deadline = time.monotonic() + PATIENCE_SECONDS
            while time.monotonic() < deadline:
                run.check()
                time.sleep(0.05)
    except (RunDeleted, TakenOver) as error:
        return error
    raise AssertionError("it went on")


def elsewhere(client: MlflowClient, run_id: str) -> None:
    client.set_tag(run_id, Tag.HOST, "elsewhere")
    client.set_tag(run_id, Tag.PROCESS, "4711:99")


@pytest.mark.usefixtures("quick_heart")
class TestTakenForLost:
    """A process that was suspended for more than ten minutes, and goes on."""

    @ON_EVERY_BACKEND
    def test_takes_its_run_back(self, uri: str, tmp_path: Path) -> None:
        client = connect(uri)
        with writer(uri, tmp_path / "state") as run:
            assert mark_lost(client, client.get_run(run.run_id))
            deadline = time.monotonic() + PATIENCE_SECONDS
            while client.get_run(run.run_id).info.status != "RUNNING" and time.monotonic() < deadline:
                time.sleep(0.05)
            run.metrics({"train/rate_1": 1.0}, step=1)
        stored = client.get_run(run.run_id)
        assert stored.info.status == "FINISHED"
        assert Tag.STATUS_REASON not in stored.data.tags

    def test_finds_it_so_at_its_very_end(self, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("hit.delivery.delivery.HEARTBEAT_SECONDS", 1000.0)
        client = connect(uri)
        with writer(uri, tmp_path / "state") as run:
            assert mark_lost(client, client.get_run(run.run_id))
        stored = client.get_run(run.run_id)
        assert (stored.info.status, stored.data.tags.get(Tag.STATUS_REASON)) == ("FINISHED", None)

    @ON_EVERY_BACKEND
    def test_leaves_it_to_who_has_taken_it_over(self, uri: str, tmp_path: Path) -> None:
        client = connect(uri)
        run = writer(uri, tmp_path / "state").__enter__()
        elsewhere(client, run.run_id)
        error = what_ends(run)
        assert isinstance(error, TakenOver)
        assert "another process goes on with it" in str(error)
        stored = client.get_run(run.run_id)
        assert (stored.info.status, stored.info.lifecycle_stage) == ("RUNNING", "active"), "it goes on elsewhere"
        assert stored.data.tags[Tag.PROCESS] == "4711:99"
        assert not (run.folder / "journal.jsonl").exists(), "nobody delivers what this process still had to say"


@pytest.mark.usefixtures("quick_heart")
def test_a_heartbeat_that_is_not_answered_says_why(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise MlflowException("API request failed with exception … Connection refused")

    monkeypatch.setattr(MlflowClient, "get_run", refuses)
    with pytest.raises(StoreAway, match=r"^Connection refused$"):
        Ownership(connect(uri), "0123").beat()


@pytest.mark.usefixtures("quick_heart")
class TestDeleted:
    @ON_EVERY_BACKEND
    def test_its_process_hears_of_it(self, uri: str, tmp_path: Path) -> None:
        client = connect(uri)
        run = writer(uri, tmp_path / "state").__enter__()
        client.delete_run(run.run_id)
        error = what_ends(run)
        assert isinstance(error, RunDeleted)
        assert f"mlflow runs restore --run-id {run.run_id}" in str(error)
        assert client.get_run(run.run_id).info.lifecycle_stage == "deleted"

    @ON_EVERY_BACKEND
    def test_with_its_experiment(self, uri: str, tmp_path: Path) -> None:
        client = connect(uri)
        run = writer(uri, tmp_path / "state").__enter__()
        client.delete_experiment(run.experiment_id)
        error = what_ends(run)
        assert isinstance(error, RunDeleted)
        assert "or its experiment was" in str(error)

    def test_at_its_very_end(self, uri: str, tmp_path: Path) -> None:
        with pytest.raises(RunDeleted), writer(uri, tmp_path / "state") as run:
            connect(uri).delete_run(run.run_id)

    def test_it_is_not_taken_over(self, uri: str, tmp_path: Path) -> None:
        with writer(uri, tmp_path / "state") as run:
            pass
        connect(uri).delete_run(run.run_id)
        with pytest.raises(RunDeleted, match="restore"):
            writer(uri, tmp_path / "state", run_id=run.run_id).__enter__()

    def test_while_it_is_marked_as_lost(self, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
        store = Store(uri)
        run = store.client.create_run(experiment_id(store.client, "hit"), tags={Tag.PROCESS: "1:1", Tag.HEARTBEAT: "0"})
        seen = store.client.get_run(run.info.run_id)
        store.client.delete_run(run.info.run_id)
        monkeypatch.setattr(Store, "runs", lambda *_, **__: iter([seen]))
        assert end_lost(store, "hit") == 0


def test_what_cannot_be_begun_is_not_left_running(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hit.tracking.run_writer.Journal", fails)
    with pytest.raises(OSError, match="No space"):
        writer(uri, tmp_path / "state").__enter__()
    (run,) = Store(uri).client.search_runs([experiment_id(connect(uri), "hit")])
    assert (run.info.status, run.data.tags[Tag.STATUS_REASON]) == (
        "FAILED",
        "OSError: [Errno 28] No space left on device",
    )


ODD = ["x:y", "", "0:0", "-1:3", "99999999999999999999:1", "12", "ü:🐙", "nan", "inf", "1e999", " ", "'; drop table"]


class TestOddTags:
    """What people type into the tags of a run that says RUNNING."""

    @pytest.mark.parametrize("tag", [Tag.PROCESS, Tag.HOST, Tag.HEARTBEAT, Tag.KIND, Tag.STATUS_REASON])
    def test_nobody_stumbles_over_them(self, uri: str, tag: Tag) -> None:
        store = Store(uri)
        made = {}
        for odd in ODD:
            tags = {Tag.KIND: Kind.TRAIN, Tag.HOST: "elsewhere", Tag.PROCESS: "1:1", Tag.HEARTBEAT: "0", tag: odd}
            run = store.client.create_run(experiment_id(store.client, "hit"), tags={str(k): v for k, v in tags.items()})
            made[run.info.run_id] = LOST if tag == Tag.STATUS_REASON else odd
        assert end_lost(store, "hit") == len(ODD), "their processes are not there"
        found = {run_id: store.client.get_run(run_id) for run_id in made}
        assert {run.info.status for run in found.values()} == {"FAILED"}
        assert {run_id: run.data.tags.get(tag) for run_id, run in found.items()} == made

    def test_who_trains_goes_on(self, uri: str, tmp_path: Path) -> None:
        client = connect(uri)
        with writer(uri, tmp_path / "state") as run:
            for odd in ODD:
                for tag in (Tag.PROCESS, Tag.HOST, Tag.HEARTBEAT, Tag.KIND):
                    client.set_tag(run.run_id, tag, odd)
                Ownership(client, run.run_id).beat()
        stored = client.get_run(run.run_id)
        assert stored.info.status == "FINISHED"
        assert stored.data.tags[Tag.KIND] == ODD[-1], "what a person wrote stays"

    def test_a_heartbeat_from_the_far_future_is_none(self, uri: str) -> None:
        client = connect(uri)
        tags = {Tag.HOST: "elsewhere", Tag.PROCESS: "4711:99", Tag.HEARTBEAT: str(2 * time.time())}
        run = client.create_run(experiment_id(client, "hit"), tags={str(key): value for key, value in tags.items()})
        assert is_lost(run)

    def test_a_run_of_plain_mlflow_is_left_alone(self, uri: str) -> None:
        client = connect(uri)
        assert not is_lost(client.create_run(experiment_id(client, "hit")))


def test_a_second_ctrl_c_waits_for_the_run_to_be_there(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def presses(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("hit.tracking.run_writer.prepare_page", presses)
    with pytest.raises(KeyboardInterrupt), StopRequest() as stop:
        writer(uri, tmp_path / "state", stop=stop).__enter__()
    (run,) = Store(uri).client.search_runs([experiment_id(connect(uri), "hit")])
    assert (run.info.status, run.data.tags[Tag.STATUS_REASON]) == ("KILLED", "interrupted")
