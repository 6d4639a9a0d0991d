"""A disk that fills up under the state directory ends a run in one line, and loses nothing that was written."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from hit.errors import StoreError
from hit.recovery.undelivered import deliver_undelivered
from hit.schema import Kind, Tag
from hit.tracking import RunWriter
from tests.stores import leaving, new_database

NO_ROOM = r"state_dir must have room, got .*: No space left on device"


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return new_database(tmp_path / "store.db")


@pytest.fixture
def full() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def no_room(*arguments: Any, **named: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def half_a_line(file: int, data: bytes, offset: int) -> int:
    if len(data) < 2:
        no_room()
    return WRITE(file, data[: len(data) // 2], offset)


WRITE = os.pwrite


def writer(uri: str, folder: Path, *, run_id: str | None = None, **options: Any) -> RunWriter:
    return RunWriter.begin_or_take_over(run_id, kind=Kind.TRAIN, name="a run", state_dir=folder, uri=uri, **options)


def steps(uri: str, run_id: str) -> list[int]:
    return sorted(metric.step for metric in MlflowClient(uri).get_metric_history(run_id, "train/rate_1"))


def one_run(uri: str) -> Run:
    (run,) = MlflowClient(uri).search_runs([MlflowClient(uri).get_experiment_by_name("hit").experiment_id])
    return run


def test_a_full_disk_ends_the_run_as_failed_with_the_reason_and_it_goes_on_later(
    uri: str, tmp_path: Path, full: pytest.MonkeyPatch
) -> None:
    run = writer(uri, tmp_path / "state")

    def train() -> None:
        with run:
            run.metrics({"train/rate_1": 1.0}, step=1)
            full.setattr(os, "pwrite", half_a_line)
            run.metrics({"train/rate_1": 2.0}, step=2)

    with pytest.raises(StoreError, match=NO_ROOM):
        train()
    stored = one_run(uri)
    assert stored.info.status == "FAILED"
    assert stored.data.tags[Tag.STATUS_REASON].startswith("state_dir must have room")
    assert steps(uri, run.run_id) == [1]
    full.undo()
    with writer(uri, tmp_path / "state", run_id=run.run_id) as again:
        again.metrics({"train/rate_1": 2.0}, step=2)
    stored = one_run(uri)
    assert (stored.info.status, steps(uri, run.run_id)) == ("FINISHED", [1, 2])
    assert Tag.STATUS_REASON not in stored.data.tags


def test_what_was_written_before_the_disk_was_full_is_delivered_later(
    uri: str, tmp_path: Path, full: pytest.MonkeyPatch
) -> None:
    run = writer(uri, tmp_path / "state").__enter__()
    full.setattr("hit.delivery.delivery_queue.send", lambda *arguments: (_ for _ in ()).throw(StoreError("refused")))
    run.metrics({"train/rate_1": 1.0}, step=1)
    full.setattr(os, "pwrite", half_a_line)
    with pytest.raises(StoreError, match="kept in"):
        run.__exit__(OSError, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), None)
    full.undo()
    assert deliver_undelivered(tmp_path / "state", uri) == 1
    assert steps(uri, run.run_id) == [1]


def test_a_file_that_does_not_fit_is_one_line(uri: str, tmp_path: Path) -> None:
    """A picture, the weights, a table: whatever writes into the run's folder."""
    with pytest.raises(StoreError, match=NO_ROOM), writer(uri, tmp_path / "state"):
        no_room()
    assert one_run(uri).info.status == "FAILED"


def test_a_json_artifact_leaves_no_half_file(uri: str, tmp_path: Path, full: pytest.MonkeyPatch) -> None:
    run = writer(uri, tmp_path / "state").__enter__()
    run.json_artifact("config.json", {"channels": 16})

    write = Path.write_bytes

    def half(path: Path, data: bytes) -> None:
        write(path, data[: len(data) // 2])
        no_room()

    full.setattr(Path, "write_bytes", half)
    with pytest.raises(StoreError, match=NO_ROOM), leaving(run):
        run.json_artifact("config.json", {"channels": 17})
    full.undo()
    assert "16" in (run.folder / "config.json").read_text()
    assert not list(run.folder.glob("*.new"))


def test_a_run_that_the_disk_has_no_room_for_at_all(uri: str, tmp_path: Path, full: pytest.MonkeyPatch) -> None:
    full.setattr("hit.delivery.local_state.tempfile.TemporaryFile", no_room)
    with pytest.raises(StoreError, match=NO_ROOM):
        writer(uri, tmp_path / "state").__enter__()
    assert MlflowClient(uri).get_experiment_by_name("hit") is None, "no run is left behind"


@pytest.mark.parametrize(
    "at",
    [
        "hit.tracking.run_writer.lock_run",
        "hit.delivery.run_description.RunDescription.save",
        "hit.tracking.run_writer.Journal",
    ],
)
def test_a_disk_that_fills_up_while_the_run_begins(uri: str, tmp_path: Path, full: pytest.MonkeyPatch, at: str) -> None:
    def fails(*arguments: Any) -> None:
        raise StoreError("state_dir must have room, got x: No space left on device")

    full.setattr(at, fails)
    with pytest.raises(StoreError, match=NO_ROOM):
        writer(uri, tmp_path / "state").__enter__()
    assert one_run(uri).info.status == "FAILED"
