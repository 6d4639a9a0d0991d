"""A run's numbers reach the store whatever happens to the store, the process or the machine."""

import contextlib
import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST
from PIL import Image

from hit.connection import connect, experiment_id
from hit.errors import Diverged, Interrupted, RunDeleted, StoreError
from hit.processes.stop import StopRequest
from hit.recovery.undelivered import deliver_undelivered
from hit.schema import Kind, Tag
from hit.schema.endings import ending
from hit.tracking import RunWriter
from tests.backends import ON_EVERY_BACKEND, Backend
from tests.commands import wait_until
from tests.stores import Server, leaving


@pytest.fixture
def uri(backend: Backend) -> str:
    return backend.uri


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "server")
    server.start()
    yield server
    server.stop()


def writer(uri: str, folder: Path, *, run_id: str | None = None, **options: Any) -> RunWriter:
    return RunWriter.begin_or_take_over(run_id, kind=Kind.TRAIN, name="a run", state_dir=folder, uri=uri, **options)


def history(uri: str, run_id: str, key: str) -> list[tuple[int, float]]:
    return sorted((metric.step, metric.value) for metric in MlflowClient(uri).get_metric_history(run_id, key))


@ON_EVERY_BACKEND
def test_a_run_says_everything_and_leaves_nothing_behind(uri: str, tmp_path: Path) -> None:
    with writer(uri, tmp_path / "state") as run:
        run.params({"channels": 16, "model": "ghvae"})
        run.metrics({"train/rate_1": 1.5, "train/rate_2": float("nan"), "train/rate": float("inf")}, step=1)
        run.metrics({"train/rate_1": 2.5}, step=2)
        run.dataset("digits", "0123456789abcdef", {"train": 3})
        run.json_artifact("config.json", {"channels": 16})
        folder = run.folder
    stored = MlflowClient(uri).get_run(run.run_id)
    assert stored.info.status == "FINISHED"
    assert stored.data.params == {"channels": "16", "model": "ghvae"}
    assert stored.data.metrics == {"train/rate_1": 2.5}, "what is not finite is absent"
    assert history(uri, run.run_id, "train/rate_1") == [(1, 1.5), (2, 2.5)]
    assert stored.data.tags[Tag.KIND] == "train"
    assert {Tag.SCHEMA, Tag.HEARTBEAT, Tag.HOST, Tag.PROCESS, Tag.PACKAGES, Tag.USER} <= stored.data.tags.keys()
    assert stored.inputs.dataset_inputs[0].dataset.digest == "0123456789abcdef"
    assert [item.path for item in MlflowClient(uri).list_artifacts(run.run_id)] == ["config.json"]
    assert not folder.exists()
    experiment = MlflowClient(uri).get_experiment_by_name("hit")
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"


@ON_EVERY_BACKEND
@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (Diverged("the loss is not finite"), "FAILED", "diverged: the loss is not finite"),
        (Interrupted(15), "KILLED", "stopped by signal 15"),
        (ValueError("no\nsuch thing"), "FAILED", "ValueError: no"),
    ],
)
def test_how_the_block_ends_is_how_the_run_ends(
    uri: str, tmp_path: Path, error: Exception, status: str, reason: str
) -> None:
    run = writer(uri, tmp_path / "state").__enter__()
    run.metrics({"train/rate_1": 1.5}, step=1)
    run.__exit__(type(error), error, None)
    stored = MlflowClient(uri).get_run(run.run_id)
    assert stored.info.status == status
    assert stored.data.tags[Tag.STATUS_REASON] == reason
    assert (stored.data.tags.get(Tag.DIVERGED) == "true") == isinstance(error, Diverged)
    assert stored.data.metrics == {"train/rate_1": 1.5}, "what was measured is kept"


@ON_EVERY_BACKEND
def test_pictures_are_there_for_the_image_grid_and_the_note_tells_how_it_ended(uri: str, tmp_path: Path) -> None:
    with contextlib.suppress(Diverged), writer(uri, tmp_path / "state") as run:
        run.note = lambda status, reason: f"**{status}**: {reason}"
        Image.new("L", (8, 6), 200).save(run.folder / "samples.png")
        run.image(run.folder / "samples.png", "samples")
        raise Diverged("the loss is nan")
    client = MlflowClient(uri)
    files = [item.path for item in client.list_artifacts(run.run_id, "images")]
    assert sorted(path.rpartition(".")[2] for path in files) == ["png", "webp"]
    assert all(path.startswith("images/samples+step+0+") for path in files), "what MLflow's log_image writes"
    tags = client.get_run(run.run_id).data.tags
    assert tags["mlflow.loggedImages"] == "True"
    assert tags[Tag.NOTE] == "**FAILED**: diverged: the loss is nan"


def test_pictures_that_a_resumed_run_makes_again_stand_there_once(uri: str, tmp_path: Path) -> None:
    run_id = None
    for error in (Interrupted(15), Interrupted(15), None):
        run = writer(uri, tmp_path / "state", run_id=run_id).__enter__()
        run_id = run.run_id
        Image.new("L", (8, 6), 200).save(run.folder / "samples.png")
        run.image(run.folder / "samples.png", "samples")
        run.__exit__(type(error) if error else None, error, None)
    assert len(MlflowClient(uri).list_artifacts(run_id, "images")) == 2, "the picture and its small copy"


@ON_EVERY_BACKEND
def test_a_run_that_somebody_deletes_ends_at_its_next_epoch(uri: str, tmp_path: Path) -> None:
    run = writer(uri, tmp_path / "state").__enter__()
    run.metrics({"train/rate_1": 0.0}, step=0)
    MlflowClient(uri).delete_run(run.run_id)

    def train() -> None:
        with leaving(run):
            for step in count(1):
                run.metrics({"train/rate_1": 1.0}, step=step)
                time.sleep(0.01)

    with pytest.raises(RunDeleted, match=rf"run {run.run_id} was deleted"):
        train()
    assert MlflowClient(uri).get_run(run.run_id).info.lifecycle_stage == "deleted", "nothing is made again"
    assert run.folder.exists()


@ON_EVERY_BACKEND
def test_params_that_mlflow_run_logged_as_typed_are_left_alone(uri: str, tmp_path: Path) -> None:
    """`mlflow run -P beta_1=1e-3` logs the string "1e-3"; MLflow refuses our 0.001 for the same key."""
    client = connect(uri)
    made = client.create_run(experiment_id(client, "hit"))
    client.log_param(made.info.run_id, "beta_1", "1e-3")
    with writer(uri, tmp_path / "state", run_id=made.info.run_id) as run:
        run.params({"beta_1": 0.001, "beta_2": 1.0})
        run.metrics({"beta_1": 0.001})
    stored = client.get_run(made.info.run_id)
    assert stored.info.status == "FINISHED"
    assert stored.data.params == {"beta_1": "1e-3", "beta_2": "1.0"}
    assert stored.data.metrics["beta_1"] == 0.001


def test_undeclared_metrics_are_refused(uri: str, tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="train/rat_1"), writer(uri, tmp_path / "state") as run:
        run.metrics({"train/rat_1": 1.0})


def test_a_server_that_goes_away_costs_waiting_and_no_number(server: Server, tmp_path: Path) -> None:
    with writer(server.uri, tmp_path / "state") as run:
        run.metrics({"train/rate_1": 1.0}, step=1)
        wait_until(lambda: "there" if history(server.uri, run.run_id, "train/rate_1") else "")
        server.stop()
        for step in range(2, 40):
            run.metrics({"train/rate_1": float(step)}, step=step, sync=True)
        run.json_artifact("config.json", {"channels": 16})
        back = threading.Timer(1, server.start)
        back.start()
    back.join()
    assert history(server.uri, run.run_id, "train/rate_1") == [(step, float(step)) for step in range(1, 40)]
    stored = MlflowClient(server.uri).get_run(run.run_id)
    assert stored.info.status == "FINISHED"
    assert [item.path for item in MlflowClient(server.uri).list_artifacts(run.run_id)] == ["config.json"]


def test_what_a_stopped_process_could_not_deliver_the_next_one_does(server: Server, tmp_path: Path) -> None:
    state, stop = tmp_path / "state", StopRequest()
    run = writer(server.uri, state, stop=stop).__enter__()
    server.stop()
    run.metrics({"train/rate_1": 7.0}, step=1)
    stop.request()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hit.delivery.drain._SECONDS_WHEN_STOPPED", 0.5)
        with pytest.raises(Interrupted, match="kept in"):
            run.end(ending(Interrupted(15)))
    with pytest.raises(StoreError, match="must answer"):
        deliver_undelivered(state, server.uri)
    server.start()
    assert deliver_undelivered(state, server.uri) == 1
    assert deliver_undelivered(state, server.uri) == 0
    stored = MlflowClient(server.uri).get_run(run.run_id)
    assert (stored.info.status, stored.data.metrics) == ("KILLED", {"train/rate_1": 7.0})


def test_a_data_set_that_another_run_adds_at_the_same_moment(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_inputs, refused = MlflowClient.log_inputs, iter([True])

    def racing(client: MlflowClient, run_id: str, *entries: object) -> None:
        if next(refused, False):
            raise MlflowException("(sqlite3.IntegrityError) UNIQUE constraint failed", error_code=BAD_REQUEST)
        log_inputs(client, run_id, *entries)

    monkeypatch.setattr(MlflowClient, "log_inputs", racing)
    with writer(uri, tmp_path / "state") as run:
        run.dataset("digits", "0123456789abcdef", {"train": 3})
    assert len(MlflowClient(uri).get_run(run.run_id).inputs.dataset_inputs) == 1


def test_leftovers_go_to_no_other_store(uri: str, tmp_path: Path) -> None:
    state = tmp_path / "state"
    run = writer(uri, state).__enter__()
    run._delivery.close()  # as if the process had died
    run._lock.release()
    with (run.folder / "journal.jsonl").open("a") as journal:
        journal.write('{"kind":"metric","key":"train/rate_1","value":1.0,"step":3,"time":0}\n')
    assert deliver_undelivered(state, f"sqlite:///{tmp_path}/another.db") == 0
    assert deliver_undelivered(state, uri) == 1
    assert history(uri, run.run_id, "train/rate_1") == [(3, 1.0)]


def test_two_processes_do_not_write_one_run(uri: str, tmp_path: Path) -> None:
    with writer(uri, tmp_path / "state") as run, pytest.raises(StoreError, match="written by another process"):
        writer(uri, tmp_path / "state", run_id=run.run_id).__enter__()


@ON_EVERY_BACKEND
def test_a_run_that_does_not_exist(uri: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be taken over"):
        writer(uri, tmp_path / "state", run_id="0" * 32).__enter__()
    assert not list((tmp_path / "state" / "runs").iterdir()), "no folder with a lock stays behind"


def test_nothing_secret_is_written_down(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
    with writer(uri, tmp_path / "state") as run:
        run.params({"channels": 16})
        texts = [path.read_text() for path in run.folder.iterdir() if path.is_file()]
    stored = MlflowClient(uri).get_run(run.run_id)
    assert "hunter2" not in " ".join([*texts, *stored.data.params.values(), *stored.data.tags.values()])


def test_no_answer_is_one_line_without_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(StoreError) as caught:
        connect("http://someone:hunter2@127.0.0.1:9")
    assert "127.0.0.1:9" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_writer_that_is_never_entered_leaves_no_run(uri: str, tmp_path: Path) -> None:
    """It made its run at once, which stayed RUNNING if anything came between."""
    RunWriter.begin(kind=Kind.TRAIN, name="a run", state_dir=tmp_path / "state", uri=uri)
    assert not (tmp_path / "state").exists()
    assert MlflowClient(uri).get_experiment_by_name("hit") is None


@ON_EVERY_BACKEND
def test_a_run_that_is_amended_stays_what_it_is(uri: str, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with pytest.raises(Diverged), writer(uri, state) as run:
        raise Diverged("the loss is nan")
    before = MlflowClient(uri).get_run(run.run_id)
    amended = RunWriter.amend(run.run_id, state_dir=state, uri=uri).__enter__()
    amended.metrics({"test/psnr": 20.0})
    with pytest.raises(Interrupted), leaving(amended):
        raise Interrupted(15)
    after = MlflowClient(uri).get_run(run.run_id)
    assert (after.info.status, after.info.run_name, after.info.end_time) == (
        before.info.status,
        before.info.run_name,
        before.info.end_time,
    )
    changed = {name for name, value in after.data.tags.items() if before.data.tags.get(name) != value}
    assert changed <= {Tag.HEARTBEAT}
    assert {"test/psnr", "measured_at"} <= after.data.metrics.keys()
    assert amended.experiment.id == run.experiment_id
