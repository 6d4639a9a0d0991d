"""What a store refuses is told apart from a store that is away, and holds back nothing else."""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException
from PIL import Image

from hit.connection import connect, experiment_id
from hit.delivery import Delivery
from hit.delivery import delivery as delivery_module
from hit.delivery.journal import Journal, Record
from hit.errors import RunDeleted, RunGone, StoreAway, StoreRefused
from hit.processes.stop import StopRequest
from hit.schema import Tag
from tests.commands import PATIENCE_SECONDS
from tests.faults import FaultyClient, failing, lost_answers
from tests.patience import Patience
from tests.stores import new_database

pytestmark = pytest.mark.usefixtures("lines")

REFUSES = RestException({"error_code": "PERMISSION_DENIED", "message": "Permission denied"})
AWAY = MlflowException("API request to http://h failed with exception … Connection refused")
ENDING: list[Record] = [{"kind": "status", "status": "FINISHED", "time": 1_700_000_000_000}]


class Bench:
    """A run of an SQLite store, whose delivery goes through a client that fails as told."""

    def __init__(self, folder: Path) -> None:
        self.client = connect(new_database(folder / "store.db"))
        self.run_id = self.client.create_run(experiment_id(self.client, "hit")).info.run_id
        self.folder = folder / "runs" / self.run_id
        self.faulty = FaultyClient(self.client, lambda name, arguments, write: write())
        self.journal = Journal(self.folder)
        self.delivery = Delivery(self.faulty, self.run_id, self.journal)  # type: ignore[arg-type]

    def fail(self, error: Exception, about: str = "") -> None:
        self.faulty.fault = failing(error, about)

    def heal(self) -> None:
        self.faulty.fault = lambda name, arguments, write: write()

    def finish(self, patience: float = 60) -> str:
        return self.delivery.finish(ENDING, Patience(patience))

    def artifact(self, name: str) -> Record:
        self.folder.joinpath(name).write_text(name)
        return {"kind": "artifact", "path": name, "folder": "model"}

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.client.get_run(self.run_id).data.tags)

    @property
    def metrics(self) -> dict[str, float]:
        return dict(self.client.get_run(self.run_id).data.metrics)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(delivery_module, "_SHORTEST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(delivery_module, "_LONGEST_WAIT_SECONDS", 0.05)
    monkeypatch.setattr(delivery_module, "_SECONDS_BETWEEN_BATCHES", 0.01)
    bench = Bench(tmp_path)
    yield bench
    bench.delivery.close()


def metrics(*steps: int) -> list[Record]:
    return [{"kind": "metric", "key": "train/rate_1", "value": 1.0, "step": step, "time": 0} for step in steps]


def until(holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_store_that_is_away_is_waited_for_and_says_why_and_since_when(bench: Bench) -> None:
    bench.fail(AWAY)
    bench.delivery.start()
    bench.delivery.append(metrics(1))
    until(lambda: isinstance(bench.delivery.trouble, StoreAway))
    assert "not answered since" in bench.delivery.waits_for
    assert "Connection refused" in bench.delivery.waits_for
    bench.heal()
    assert bench.finish() == ""
    assert bench.metrics == {"train/rate_1": 1.0}


def test_a_store_that_refuses_is_told_at_once_and_asked_once_more_at_the_end(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.fail(REFUSES)
    bench.delivery.start()
    bench.delivery.append(metrics(1))
    until(lambda: isinstance(bench.delivery.trouble, StoreRefused))
    lacks = bench.finish()
    said = capsys.readouterr().err
    assert said.count("\n") == 1, "one line, however often it is tried"
    assert "does not let this account do it" in said
    assert "does not let this account do it" in lacks
    assert str(bench.folder) in lacks
    assert len(Journal(bench.folder).peek()) == 2, "the numbers are kept"


def test_a_store_that_refused_while_training_may_take_everything_at_the_end(bench: Bench) -> None:
    bench.fail(REFUSES)
    bench.delivery.start()
    bench.delivery.append(metrics(1, 2))
    until(lambda: isinstance(bench.delivery.trouble, StoreRefused))
    bench.heal()  # somebody has renewed the credentials
    assert bench.finish() == ""
    assert bench.client.get_run(bench.run_id).info.status == "FINISHED"


@pytest.mark.parametrize(
    "error",
    [
        ModuleNotFoundError("No module named 'boto3'", name="boto3"),
        PermissionError(errno.EACCES, "Permission denied", "/old"),
        OSError(errno.ENAMETOOLONG, "File name too long"),
        OSError(errno.ENOSPC, "No space left on device"),
        ValueError("Unable to locate credentials"),
    ],
)
def test_an_artifact_that_is_refused_holds_nothing_back(
    bench: Bench, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.fail(error, "log_artifact")
    bench.delivery.append([bench.artifact("a.bin"), *metrics(1), bench.artifact("b.bin"), *metrics(2)])
    bench.delivery.start()
    assert bench.finish() == ""
    assert bench.client.get_run(bench.run_id).info.status == "FINISHED"
    assert len(bench.client.get_metric_history(bench.run_id, "train/rate_1")) == 2
    assert bench.tags[Tag.UNDELIVERED].startswith("artifact model/a.bin, artifact model/b.bin: ")
    assert capsys.readouterr().err.count("\n") == 1, "one reason, one line"
    assert (bench.folder / "aside.jsonl").exists()


def test_what_was_put_aside_goes_when_the_store_takes_it(bench: Bench) -> None:
    bench.fail(PermissionError(errno.EACCES, "Permission denied", "/old"), "log_artifact")
    bench.delivery.append([bench.artifact("a.bin"), *metrics(1)])
    bench.delivery.start()
    until(lambda: Tag.UNDELIVERED in bench.tags)
    bench.heal()
    assert bench.finish() == ""
    assert not bench.delivery.refused
    assert Tag.UNDELIVERED not in bench.tags
    assert [item.path for item in bench.client.list_artifacts(bench.run_id, "model")] == ["model/a.bin"]


def test_of_a_batch_that_is_refused_only_the_bad_items_are_put_aside(bench: Bench) -> None:
    bench.client.log_param(bench.run_id, "p7", "by hand")
    params: list[Record] = [{"kind": "param", "key": f"p{number}", "value": "1"} for number in range(130)]
    odd: Record = {"kind": "tag", "key": "no: such name?", "value": "1"}
    tags: list[Record] = [{"kind": "tag", "key": f"t{number}", "value": "1"} for number in range(20)]
    huge: Record = {"kind": "metric", "key": "train/rate_1", "value": 1.0, "step": 10**30, "time": 0}
    bench.delivery.append([*params, *tags, odd, *metrics(*range(40)), huge, *metrics(*range(50, 90))])
    bench.delivery.start()
    assert bench.finish() == ""
    data = bench.client.get_run(bench.run_id).data
    assert {key: value for key, value in data.params.items() if value != "1"} == {"p7": "by hand"}
    assert len(data.params) == 130
    assert {f"t{number}" for number in range(20)} <= data.tags.keys()
    assert len(bench.client.get_metric_history(bench.run_id, "train/rate_1")) == 80
    kept = [record["key"] for record, _ in bench.delivery._queue.refused.items]
    assert sorted(kept) == ["no: such name?", "p7", "train/rate_1"]


def test_an_item_that_a_store_fails_at_again_and_again_is_put_aside(bench: Bench) -> None:
    fails = MlflowException("API request failed with error code 500 != 200. Response body: ''")
    bench.fail(fails, "log_artifact")
    bench.delivery.append([*metrics(*range(20)), bench.artifact("a.bin"), *metrics(*range(20, 40))])
    bench.delivery.start()
    assert bench.finish() == ""
    assert len(bench.client.get_metric_history(bench.run_id, "train/rate_1")) == 40
    assert "model/a.bin: the store fails at it" in bench.tags[Tag.UNDELIVERED]


def test_a_run_that_somebody_deletes_is_told_and_ends(bench: Bench) -> None:
    bench.delivery.check()
    bench.client.delete_run(bench.run_id)
    bench.delivery.append(metrics(1))
    bench.delivery.start()
    until(lambda: bench.delivery.trouble)
    with pytest.raises(RunDeleted, match="was deleted"):
        bench.delivery.check()
    assert "--drop" in bench.finish()
    assert bench.client.get_run(bench.run_id).info.lifecycle_stage == "deleted", "it is left deleted"


def test_an_experiment_that_somebody_deletes(bench: Bench) -> None:
    bench.client.delete_experiment(bench.client.get_run(bench.run_id).info.experiment_id)
    bench.delivery.append(metrics(1))
    bench.delivery.start()
    until(lambda: isinstance(bench.delivery.trouble, RunDeleted))


def test_a_store_that_comes_back_empty_is_told_at_once(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    bench.delivery.append(metrics(1))
    bench.delivery.start()
    until(lambda: bench.metrics)
    with pytest.MonkeyPatch.context() as patch:
        gone = RestException({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Run with id=… not found"})
        patch.setattr(MlflowClient, "get_run", lambda *arguments: (_ for _ in ()).throw(gone))
        bench.fail(gone)
        bench.delivery.append(metrics(2))
        until(lambda: isinstance(bench.delivery.trouble, RunGone))
        bench.delivery.check()  # training of hours goes on
        assert f"--adopt {bench.run_id}" in bench.finish()
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "came back empty" in said
    assert len(Journal(bench.folder).peek()) == 3, "all of it is to be delivered, from the beginning"


def test_a_database_file_that_is_replaced_is_told_at_once(bench: Bench, tmp_path: Path) -> None:
    """SQLite goes on writing to the file that it holds open, which nobody sees any more."""
    bench.delivery.append(metrics(1))
    bench.delivery.start()
    until(lambda: bench.metrics)
    os.remove(tmp_path / "store.db")
    bench.delivery.append(metrics(2))
    until(lambda: isinstance(bench.delivery.trouble, RunGone))
    assert "removed or replaced" in bench.finish()


def test_the_end_is_told_directly_where_the_disk_is_full(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.delivery.append(metrics(1))
    bench.delivery.start()

    def full(file: int, data: bytes, offset: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    assert bench.finish() == ""
    assert bench.client.get_run(bench.run_id).info.status == "FINISHED"
    assert bench.metrics == {"train/rate_1": 1.0}


@pytest.mark.parametrize("seed", range(3))
def test_nothing_stands_twice_in_a_store_that_loses_half_of_its_answers(bench: Bench, seed: int) -> None:
    bench.client.set_tag(bench.run_id, "old", "1")
    for name in ("samples", "reconstructions"):
        Image.new("L", (40, 30), 200).save(bench.folder / f"{name}.png")
    pictures: list[Record] = [
        {"kind": "image", "path": f"{name}.png", "key": name, "time": 5} for name in ("samples", "reconstructions")
    ]
    data: Record = {"kind": "input", "name": "digits", "digest": "0123", "profile": {}, "context": "training"}
    param: Record = {"kind": "param", "key": "p", "value": "1"}
    tag: Record = {"kind": "tag", "key": "t", "value": "1"}
    untag: Record = {"kind": "untag", "key": "old"}
    artifacts = [bench.artifact(name) for name in ("a.bin", "b.bin")]
    bench.faulty.fault = lost_answers(seed, 0.5)
    bench.delivery.append([param, data, *metrics(*range(50)), *artifacts, *pictures, tag, untag])
    bench.delivery.start()
    assert bench.finish() == ""
    run = bench.client.get_run(bench.run_id)
    assert (run.info.status, run.info.end_time) == ("FINISHED", 1_700_000_000_000)
    assert len(bench.client.get_metric_history(bench.run_id, "train/rate_1")) == 50
    assert (len(run.inputs.dataset_inputs), run.data.params) == (1, {"p": "1"})
    assert (run.data.tags["t"], run.data.tags["mlflow.loggedImages"]) == ("1", "True")
    assert "old" not in run.data.tags
    assert not bench.delivery.refused
    files = [item.path for item in bench.client.list_artifacts(bench.run_id, "images")]
    assert len(files) == 4, "two pictures, each with its small copy"
    assert len(bench.client.list_artifacts(bench.run_id, "model")) == 2


def test_a_stop_ends_the_waiting(bench: Bench) -> None:
    stop = StopRequest()
    stop.request()
    bench.fail(AWAY)
    bench.delivery.start()
    lacks = bench.delivery.finish(ENDING, Patience(60, stop))
    assert "delivered by the next command" in lacks


def test_the_runs_of_a_process_take_turns_at_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asking, most, lock = 0, 0, threading.Lock()

    def send(delivery: Delivery) -> None:
        nonlocal asking, most
        with lock:
            asking += 1
            most = max(most, asking)
        time.sleep(0.01)
        with lock:
            asking -= 1

    monkeypatch.setattr(Delivery, "_try", send)
    client = connect(new_database(tmp_path / "store.db"))
    deliveries = [Delivery(client, str(index), Journal(tmp_path / str(index))) for index in range(12)]
    for delivery in deliveries:
        delivery.start()
    for delivery in deliveries:
        assert delivery.finish(ENDING, Patience(0)), "the store has got nothing, and that is said"
    assert not any(delivery.is_alive() for delivery in deliveries)
    assert 1 <= most <= 4
