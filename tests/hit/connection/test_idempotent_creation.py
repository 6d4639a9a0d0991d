"""What is made in the store is made once, though the answers of the store are lost."""

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from hit.connection import connect, experiment_id, idempotent_creation
from hit.connection.idempotent_creation import create_run, made_once
from hit.errors import StoreAway, StoreRefused
from hit.schema import Kind, Tag
from hit.serving import model_registry
from hit.store import Store
from hit.tracking import RunWriter
from hit.tracking.reservation import reserve_run
from tests.backends import ON_EVERY_BACKEND, Backend


@pytest.fixture
def uri(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(idempotent_creation, "_FIRST_WAIT_SECONDS", 0.0)
    return backend.uri


def lose_answers(monkeypatch: pytest.MonkeyPatch, name: str, times: int, *, applied: bool = True) -> list[str]:
    """Let a method of the client do its work and then fail, so often; the failures so far."""
    real: Callable[..., Any] = getattr(MlflowClient, name)
    lost: list[str] = []

    def asked(self: MlflowClient, *words: Any, **options: Any) -> Any:
        if len(lost) >= times:
            return real(self, *words, **options)
        lost.append(os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"])
        if applied:
            real(self, *words, **options)
        raise MlflowException("API request failed with exception ('Connection aborted.', RemoteDisconnected())")

    monkeypatch.setattr(MlflowClient, name, asked)
    return lost


def all_runs(uri: str) -> list[Any]:
    client = MlflowClient(uri)
    return list(client.search_runs([one.experiment_id for one in client.search_experiments()]))


@pytest.mark.parametrize("applied", [True, False])
def test_a_run_whose_making_was_not_answered_is_one_run(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, applied: bool
) -> None:
    lost = lose_answers(monkeypatch, "create_run", 2 if not applied else 1, applied=applied)
    with RunWriter.begin(kind=Kind.TRAIN, name="a run", state_dir=tmp_path / "state", uri=uri) as run:
        run.metrics({"test/elbo": -1.0})
    assert set(lost) == {"0"}, "MLflow's client must not try again by itself"
    (stored,) = all_runs(uri)
    assert (stored.info.run_id, stored.info.status) == (run.run_id, "FINISHED")
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "2"


@ON_EVERY_BACKEND
def test_so_is_a_reserved_one(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lose_answers(monkeypatch, "create_run", 1)
    run_id = reserve_run(Store(uri), "hit", "a run", {"model": "vae"}, {Tag.CONFIG_HASH: "a"})
    assert [run.info.run_id for run in all_runs(uri)] == [run_id]


@ON_EVERY_BACKEND
def test_so_is_an_experiment(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lose_answers(monkeypatch, "create_experiment", 1)
    client = connect(uri)
    assert experiment_id(client, "hit") == client.get_experiment_by_name("hit").experiment_id


@ON_EVERY_BACKEND
def test_an_empty_answer_is_a_lost_one(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = MlflowClient.create_run
    empty = [SimpleNamespace(info=SimpleNamespace(run_id=""))]

    def asked(self: MlflowClient, *words: Any, **options: Any) -> Any:
        run = real(self, *words, **options)
        return empty.pop() if empty else run

    monkeypatch.setattr(MlflowClient, "create_run", asked)
    made = create_run(connect(uri), "0", name="a run", tags={})
    assert [run.info.run_id for run in all_runs(uri)] == [made.info.run_id]


def test_a_store_that_stays_away_or_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotent_creation, "_FIRST_WAIT_SECONDS", 0.0)
    asked: list[str] = []

    def away() -> str:
        asked.append("make")
        raise MlflowException("Connection refused")

    with pytest.raises(StoreAway, match=r"^Connection refused$"):
        made_once(away, lambda: None)
    assert len(asked) == 5

    def refused() -> str:
        asked.append("refused")
        raise MlflowException("Permission denied", error_code=PERMISSION_DENIED)

    with pytest.raises(StoreRefused, match="does not let this account"):
        made_once(refused, lambda: None)
    assert asked.count("refused") == 1


@pytest.mark.parametrize("method", ["create_logged_model", "create_model_version", "create_registered_model"])
def test_a_registered_model_is_one_version(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    store = Store(uri)
    with RunWriter.begin(kind=Kind.TRAIN, name="a run", state_dir=tmp_path / "state", uri=uri) as writer:
        writer.params({"model": "vae", "dataset": "digits"})
        writer.tags({Tag.DATA_DIGEST: "0123"})
    lose_answers(monkeypatch, method, 1)
    monkeypatch.setattr(model_registry, "trained_shape", lambda run: (1, 8, 8))
    monkeypatch.setattr(Store, "download", lambda *_: tmp_path / "weights")
    monkeypatch.setattr(model_registry, "write_model", lambda folder, *_, **__: folder.mkdir())
    registered = model_registry.register_run(store, writer.run_id, alias="density", text="Why.")
    again = model_registry.register_run(store, writer.run_id, alias="density", text="Why.")
    (version,) = store.client.search_model_versions(f"name = '{registered.name}'")
    assert (str(version.version), version.run_id) == (registered.version, writer.run_id)
    assert (registered.new, again.new) == (True, False)
    assert len(store.client.search_logged_models([writer.experiment_id])) == 1
