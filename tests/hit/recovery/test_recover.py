"""What a lost store's runs left on this machine is listed, and becomes new runs in the store that is there now."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from PIL import Image

from hit.connection import connect
from hit.delivery.local_state import lock_run
from hit.errors import ConfigError, StoreError
from hit.processes.stop import StopRequest
from hit.recover import main
from hit.recovery.adoption import adopt_unknown
from hit.recovery.undelivered import deliver_undelivered
from hit.schema import Kind, Tag
from hit.schema.endings import ending
from hit.tracking import RunWriter
from tests.patience import Patience
from tests.stores import new_database

pytestmark = pytest.mark.usefixtures("lines")


class Bench:
    """A store that is replaced by an empty one while runs of it go on."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store.db"
        self.state = folder / "state"
        self.uri = new_database(self.path)

    def writer(self, name: str, *, run_id: str | None = None, **options: Any) -> RunWriter:
        return RunWriter.begin_or_take_over(
            run_id, kind=Kind.TRAIN, name=name, state_dir=self.state, uri=self.uri, **options
        )

    def lose(self) -> None:
        """The store comes back empty."""
        self.path.unlink()
        new_database(self.path)
        for engine in SqlAlchemyStore._engine_map.values():  # as another process sees it
            engine.dispose()

    def recover(self, **options: str) -> None:
        words = [f"--{name}={value}" for name, value in options.items()]
        main([f"--state_dir={self.state}", *words], StopRequest())

    @property
    def client(self) -> MlflowClient:
        return connect(self.uri)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", bench.uri)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    return bench


def measured(bench: Bench, *, error: BaseException | None = None, **options: object) -> str:
    """A run whose store came back empty while it went on; its id."""
    run = bench.writer("a run", experiment="digits", **options).__enter__()
    run.params({"channels": 16})
    run.metrics({"train/rate_1": 1.0}, step=1)
    run.dataset("digits", "0123", {"train": 3})
    run.json_artifact("config.json", {"channels": 16})
    Image.new("L", (8, 6), 200).save(run.folder / "samples.png")
    run.image(run.folder / "samples.png", "samples")
    run._delivery._drain(Patience(30))
    bench.lose()
    run.metrics({"train/rate_1": 2.0}, step=2)
    how = rf"removed or replaced; .* python -m hit.recover --adopt {run.run_id}"
    if error is None:
        with pytest.raises(StoreError, match=how):
            run.__exit__(None, None, None)
    else:
        run.__exit__(type(error), error, None)
        assert re.search(how, error.__notes__[0])
    return run.run_id


def test_a_run_of_a_lost_store_becomes_a_new_one(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    old = measured(bench)
    bench.recover()
    listed = capsys.readouterr().out
    assert listed.startswith(f"{old} train 'a run' of {bench.uri}: ")
    assert "does not hold the run" in listed
    bench.recover(adopt="all")
    (run,) = bench.client.search_runs([bench.client.get_experiment_by_name("digits").experiment_id])
    assert f"{old}: adopted as {run.info.run_id}" in capsys.readouterr().err
    assert (run.info.status, run.info.run_name) == ("FINISHED", "a run")
    assert run.data.params == {"channels": "16"}
    assert run.data.tags[Tag.ADOPTED_FROM] == old
    assert run.data.tags[Tag.KIND] == "train"
    assert run.inputs.dataset_inputs[0].dataset.digest == "0123"
    points = bench.client.get_metric_history(run.info.run_id, "train/rate_1")
    assert sorted((point.step, point.value) for point in points) == [(1, 1.0), (2, 2.0)]
    assert [item.path for item in bench.client.list_artifacts(run.info.run_id)] == ["config.json", "images"]
    assert not list((bench.state / "runs").iterdir())
    bench.recover()
    assert not capsys.readouterr().out


def test_a_killed_run_is_gone_on_with_as_a_new_one(bench: Bench) -> None:
    old = measured(bench, error=KeyboardInterrupt())
    new = adopt_unknown(old, bench.state)
    assert new != old
    assert bench.client.get_run(new).info.status == "KILLED"
    assert adopt_unknown(new, bench.state) == new, "the store knows it"
    with bench.writer("a run", run_id=new) as run:
        run.metrics({"train/rate_1": 9.0}, step=2)
        run.metrics({"train/rate_1": 3.0}, step=3)
    points = bench.client.get_metric_history(new, "train/rate_1")
    assert sorted((point.step, point.value) for point in points) == [(1, 1.0), (2, 2.0), (3, 3.0)]


def test_an_adoption_that_was_interrupted_makes_no_second_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    old = measured(bench)
    with monkeypatch.context() as patch:
        patch.setattr(
            "hit.delivery.run_description.RunDescription.save",
            lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt),
        )
        with pytest.raises(KeyboardInterrupt):
            bench.recover(adopt=old)
    bench.recover(adopt=old)
    runs = bench.client.search_runs([bench.client.get_experiment_by_name("digits").experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED"]


def test_children_follow_their_parent(bench: Bench) -> None:
    parent = bench.writer("parent", experiment="digits").__enter__()
    own = {Tag.SWEEP: parent.run_id}
    child = bench.writer("child", experiment="digits", parent=parent.run_id, tags=own).__enter__()
    bench.lose()
    for run in (child, parent):
        with pytest.raises(StoreError):
            run.end(ending(None))
    bench.recover(adopt="all")
    home = bench.client.get_experiment_by_name("digits").experiment_id
    runs = {run.info.run_name: run for run in bench.client.search_runs([home])}
    assert runs["child"].data.tags[Tag.PARENT] == runs["parent"].info.run_id
    assert runs["child"].data.tags[Tag.SWEEP] == runs["parent"].info.run_id


def test_what_is_dropped_is_named(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    old = measured(bench)
    bench.recover(drop=old)
    assert f"{old}: dropped: {old} train 'a run'" in capsys.readouterr().err
    assert not list((bench.state / "runs").iterdir())


def test_a_run_that_is_written_to_is_left_alone(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    old = measured(bench)
    with lock_run(bench.state / "runs" / old):
        bench.recover()
        assert "a process writes to it now" in capsys.readouterr().out
        with pytest.raises(StoreError, match="1 run could not be dealt with"):
            bench.recover(drop="all")
    assert (bench.state / "runs" / old).exists()


def test_a_run_id_that_is_none_of_them(bench: Bench) -> None:
    measured(bench)
    with pytest.raises(ConfigError, match="drop must name runs that a store lacks something of, got 'x'"):
        bench.recover(drop="x")


def test_of_no_runs_none_are_named(bench: Bench) -> None:
    bench.state.mkdir()
    with pytest.raises(ConfigError, match=r"got 'x'; there is none$"):
        bench.recover(deliver="x")


def test_a_run_whose_process_was_killed_is_ended(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """It need not lack anything: a store that has all of it would say RUNNING for ever."""
    run = bench.writer("a run").__enter__()
    run._delivery._drain(Patience(30))
    bench.recover()
    assert bench.client.get_run(run.run_id).info.status == "RUNNING", "its process is this one"
    run._delivery.close()  # as kill -9 does
    run._lock.release()
    bench.client.set_tag(run.run_id, Tag.PROCESS, f"{os.getpid()}:1")
    capsys.readouterr()
    bench.recover()
    found = bench.client.get_run(run.run_id)
    assert (found.info.status, found.data.tags[Tag.STATUS_REASON]) == ("FAILED", "lost: its process is gone")
    said = capsys.readouterr().err
    assert f"run {run.run_id} 'a run' said RUNNING and its process is gone: it is FAILED now; go on with: " in said
    assert f"hit.train --resume {run.run_id}" in said


def test_a_run_whose_journal_says_how_it_ended_is_left_for_its_delivery(bench: Bench) -> None:
    run = bench.writer("a run").__enter__()
    run._delivery._drain(Patience(30))
    run._delivery.close()
    run._lock.release()
    with (run.folder / "journal.jsonl").open("a") as journal:
        journal.write('{"kind":"status","status":"FINISHED","time":1}\n')
    bench.client.set_tag(run.run_id, Tag.PROCESS, f"{os.getpid()}:1")
    bench.recover()
    assert bench.client.get_run(run.run_id).info.status == "RUNNING"
    bench.recover(deliver="all")
    assert bench.client.get_run(run.run_id).info.status == "FINISHED"


def test_a_store_that_does_not_answer_is_said_below_the_list(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    old = measured(bench)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        away = r"must answer, got no answer from http://127.0.0.1:9 \(MLFLOW_TRACKING_URI\): "
        with pytest.raises(StoreError, match=away):
            bench.recover()
        assert old in capsys.readouterr().out
        with pytest.raises(StoreError, match=away):
            bench.recover(deliver="all", drop="all")
        assert (bench.state / "runs" / old).exists()


def test_a_run_of_another_address_of_the_store_is_delivered_when_asked_for(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = bench.writer("a run").__enter__()
    run._delivery.close()  # as if the process had died
    run._lock.release()
    with (run.folder / "journal.jsonl").open("a") as journal:
        journal.write('{"kind":"metric","key":"train/rate_1","value":1.0,"step":3,"time":0}\n')
    bench.path.rename(tmp_path / "moved.db")
    moved = f"sqlite:///{tmp_path}/moved.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", moved)
    assert deliver_undelivered(bench.state, moved) == 0
    bench.recover()
    assert "begun under another address of the store" in capsys.readouterr().out
    bench.recover(deliver=run.run_id)
    assert connect(moved).get_run(run.run_id).data.metrics == {"train/rate_1": 1.0}


def test_a_state_dir_that_is_not_there_is_a_mistake(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="state_dir must be a folder that is there"):
        main(["--state_dir", str(tmp_path / "nowhere")], StopRequest())
