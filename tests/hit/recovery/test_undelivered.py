"""What a process left behind is delivered by the next command, and stops nobody where it cannot be."""

import os
from pathlib import Path

import pytest
from mlflow import MlflowClient

from hit.connection import connect, experiment_id
from hit.delivery.journal import Journal, Record
from hit.delivery.local_state import lock_run
from hit.delivery.run_description import RunDescription
from hit.recovery import undelivered
from hit.recovery.undelivered import deliver_undelivered, find_local_runs
from hit.schema import Tag
from tests.stores import new_database

pytestmark = pytest.mark.usefixtures("lines")

STATUS: Record = {"kind": "status", "status": "FINISHED", "time": 1_700_000_000_000}


def metrics(*steps: int) -> list[Record]:
    return [{"kind": "metric", "key": "train/rate_1", "value": 1.0, "step": step, "time": 0} for step in steps]


@pytest.fixture
def client(tmp_path: Path) -> MlflowClient:
    return connect(new_database(tmp_path / "store.db"))


def left(client: MlflowClient, state: Path, records: list[Record], root: str | None = None) -> Path:
    """The folder of a run whose process died before it delivered anything."""
    home = experiment_id(client, "hit") if root is None else client.create_experiment(root, artifact_location=root)
    run = client.create_run(home)
    folder = state / "runs" / run.info.run_id
    folder.mkdir(parents=True)
    RunDescription.of(client, run, "train").save(folder)
    journal = Journal(folder)
    journal.append(records)
    journal.close()
    return folder


def artifact(folder: Path) -> Record:
    (folder / "a.bin").write_text("a")
    return {"kind": "artifact", "path": "a.bin", "folder": ""}


def steps(client: MlflowClient, folder: Path) -> list[int]:
    return sorted(metric.step for metric in client.get_metric_history(folder.name, "train/rate_1"))


def test_what_is_delivered_of_a_finished_run_goes(client: MlflowClient, tmp_path: Path) -> None:
    folder = left(client, tmp_path, [*metrics(1, 2), STATUS])
    assert deliver_undelivered(tmp_path, client.tracking_uri) == 1
    assert steps(client, folder) == [1, 2]
    assert client.get_run(folder.name).info.status == "FINISHED"
    assert not folder.exists()


def test_a_folder_that_a_kill_left_between_delivery_and_removal_goes(client: MlflowClient, tmp_path: Path) -> None:
    folder = left(client, tmp_path, [*metrics(1), STATUS])
    journal = Journal(folder)
    journal.mark_sent(journal.peek()[-1][1])
    journal.close()
    assert deliver_undelivered(tmp_path, client.tracking_uri) == 0
    assert not folder.exists()


@pytest.mark.parametrize("root", ["s3://bucket/runs", "file:///proc/no/such/place"])
def test_artifacts_that_cannot_be_written_block_nothing(
    client: MlflowClient, tmp_path: Path, root: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An S3 root without boto3, and a copied store whose old path cannot be made."""
    folder = left(client, tmp_path, [], root)
    journal = Journal(folder)
    journal.append([artifact(folder), *metrics(1, 2), STATUS])
    journal.close()
    other = left(client, tmp_path, metrics(7))
    assert deliver_undelivered(tmp_path, client.tracking_uri) == 2
    assert (steps(client, folder), steps(client, other)) == ([1, 2], [7])
    assert client.get_run(folder.name).info.status == "FINISHED"
    assert "artifact a.bin: " in client.get_run(folder.name).data.tags[Tag.UNDELIVERED]
    assert capsys.readouterr().err.count("\n") == 1
    assert (folder / "a.bin").exists()
    assert deliver_undelivered(tmp_path, client.tracking_uri) == 0, "tried again"
    assert not capsys.readouterr().err, "in silence"


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "journal.jsonl").write_bytes(b'{"kind":"metric","ke{"kind":"metric"}\n' * 3),
        lambda folder: (folder / "journal.sent").write_bytes(b"\xff"),
        lambda folder: (folder / "run.json").write_text('{"tags": [1], "started": "x"}'),
        lambda folder: (folder / "run.json").write_text("[1]"),
        lambda folder: (folder / "run.json").write_text('{"tags": {"a": 1}}'),
        lambda folder: (folder / "aside.jsonl").write_bytes(b"\xff\n{}\n"),
        lambda folder: ((folder / "journal.jsonl").unlink(), (folder / "journal.jsonl").mkdir()),
        lambda folder: (folder / "aside.jsonl").mkdir(),
    ],
)
def test_a_damaged_folder_stops_no_other(
    client: MlflowClient, tmp_path: Path, damage: object, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [left(client, tmp_path, metrics(1)) for _ in range(3)]
    damage(sorted(folders)[1])  # type: ignore[operator]
    deliver_undelivered(tmp_path, client.tracking_uri)
    for folder in sorted(folders)[::2]:
        assert steps(client, folder) == [1]
    assert capsys.readouterr().err.count("\n") <= 1


def test_a_run_that_the_store_does_not_hold_is_told_in_a_line(
    client: MlflowClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = left(client, tmp_path, metrics(1))
    folder.rename(tmp_path / "runs" / ("0" * 32))
    assert deliver_undelivered(tmp_path, client.tracking_uri) == 0
    assert f"--adopt {'0' * 32}" in capsys.readouterr().err


def test_a_run_that_somebody_deleted_is_left_alone_in_silence(
    client: MlflowClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = left(client, tmp_path, metrics(1))
    client.delete_run(folder.name)
    assert deliver_undelivered(tmp_path, client.tracking_uri) == 0
    assert not capsys.readouterr().err
    client.restore_run(folder.name)
    assert deliver_undelivered(tmp_path, client.tracking_uri) == 1


def test_folders_with_nothing_but_a_lock_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock_run(tmp_path / "runs" / "new").release()
    old = tmp_path / "runs" / "old"
    lock_run(old).release()
    os.utime(old / "lock", (0, 0))
    held = lock_run(tmp_path / "runs" / "held")
    os.utime(tmp_path / "runs" / "held" / "lock", (0, 0))
    (tmp_path / "runs" / "kept").mkdir()
    (tmp_path / "runs" / "kept" / "checkpoint.safetensors").touch()
    assert list(find_local_runs(tmp_path)) == []
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["held", "kept", "new"]
    held.release()


def test_files_are_found_where_the_state_directory_has_moved_to(client: MlflowClient, tmp_path: Path) -> None:
    folder = left(client, tmp_path / "before", [])
    journal = Journal(folder)
    journal.append([artifact(folder) | {"path": str(folder / "a.bin")}])
    journal.close()
    (tmp_path / "before").rename(tmp_path / "after")
    assert deliver_undelivered(tmp_path / "after", client.tracking_uri) == 1
    assert [item.path for item in client.list_artifacts(folder.name)] == ["a.bin"]


def test_a_store_that_fails_at_one_item_is_found_out(
    client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.exceptions import MlflowException

    def fails(*arguments: object) -> None:
        raise MlflowException("API request failed with error code 500 != 200. Response body: ''")

    folder = left(client, tmp_path, [])
    journal = Journal(folder)
    journal.append([artifact(folder), *metrics(1)])
    journal.close()
    monkeypatch.setattr(MlflowClient, "log_artifact", fails)
    monkeypatch.setattr(undelivered, "_PAUSE_SECONDS", 0)
    assert deliver_undelivered(tmp_path, client.tracking_uri) == 1
    assert steps(client, folder) == [1]
