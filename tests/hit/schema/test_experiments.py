"""Which experiment a command works in, and that it stays in it whatever it is called meanwhile."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from hit.connection import chosen_experiment, experiment_id, experiment_of, found_experiment
from hit.errors import Claimed, StoreError
from hit.schema import Kind, Tag
from hit.schema.experiments import Experiment
from hit.store import Store
from hit.store.incremental import HistoryReader
from hit.tracking import RunWriter
from hit.tracking.reservation import reserve_run
from tests.stores import new_database


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    new_database(tmp_path / "store.db")
    address = f"sqlite:///{tmp_path}/store.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    return address


def test_it_is_what_is_asked_for_else_the_runs_else_by_id_else_by_name(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = MlflowClient(uri)
    ids = {name: client.create_experiment(name) for name in ("asked", "resumed", "made", "by id", "by name")}
    runs = {name: client.create_run(home).info.run_id for name, home in ids.items()}
    assert chosen_experiment("") == Experiment("hit"), "it is not there yet"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "by name")
    assert chosen_experiment("") == Experiment("by name", ids["by name"])
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", ids["by id"])
    assert chosen_experiment("") == Experiment("by id", ids["by id"])
    monkeypatch.setenv("MLFLOW_RUN_ID", runs["made"])
    assert chosen_experiment("") == Experiment("made", ids["made"])
    assert chosen_experiment("", resumed="0" * 32) == Experiment("made", ids["made"])
    assert chosen_experiment("", resumed=runs["resumed"]) == Experiment("resumed", ids["resumed"])
    assert chosen_experiment("asked", resumed=runs["resumed"]) == Experiment("asked", ids["asked"])


@pytest.mark.parametrize("variable", ["MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID"])
def test_an_id_that_the_store_does_not_know_is_named(uri: str, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "4711")
    with pytest.raises(StoreError, match=rf"^{variable} must be the id of .* in the store, got '4711'$"):
        chosen_experiment("")


@pytest.mark.parametrize("variable", ["MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"])
def test_one_that_is_deleted_is_said_so(uri: str, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    client = MlflowClient(uri)
    home = client.create_experiment("old")
    client.delete_experiment(home)
    monkeypatch.setenv(variable, home if variable.endswith("ID") else "old")
    with pytest.raises(StoreError, match=r"^experiment 'old' is deleted; restore it \(mlflow experiments restore"):
        chosen_experiment("")
    with pytest.raises(StoreError, match="is deleted"):
        Store(uri).history("old")


def test_renamed_it_is_the_same(uri: str, tmp_path: Path) -> None:
    store = Store(uri)
    home = Experiment("hit", experiment_id(store.client, "hit"))
    reader = HistoryReader(store, "hit")
    params, tags = {"model": "vae"}, {Tag.CONFIG_HASH: "a"}
    first = reserve_run(store, home, "a run", params, tags)
    assert list(reader.read()["run_id"]) == [first]
    store.client.rename_experiment(home.id, "digits, final")
    with pytest.raises(Claimed):
        reserve_run(store, home, "the same", params, tags)
    with RunWriter.begin(kind=Kind.TRAIN, name="b", state_dir=tmp_path / "state", experiment=home, uri=uri) as run:
        assert run.experiment == home
    assert set(reader.read()["run_id"]) == set(store.history(home)["run_id"]) == {first, run.run_id}
    assert experiment_of(store.client, run.run_id) == Experiment("digits, final", home.id)
    assert found_experiment(store.client, "hit") == Experiment("hit"), "no other one was made under the old name"
