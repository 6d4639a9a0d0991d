"""Reading the tables gives what MLflow's client gives, and only what has changed is read again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sqlalchemy.exc import OperationalError

from hit.errors import StoreAway, StoreError
from hit.schema import Kind, Tag
from hit.store import Store
from hit.store.database import Database
from hit.store.incremental import HistoryReader
from tests.many_runs import fill_store
from tests.stores import Server, new_database

FILTERS = [
    "",
    "metrics.beta_1 < 1",
    "metrics.`test/psnr` >= 15 and metrics.beta_2 < 3",
    "metrics.beta_1 != 1",
    "params.model = 'ghvae' and params.seed != '0'",
    "params.dataset LIKE 'dig%'",
    "tags.`hit.sweep` = 'none'",
    "tags.`hit.status_reason` LIKE 'diverged%'",
    "attributes.status = 'FAILED'",
    "attributes.run_name ILIKE 'Β%seed 1'",
    "attributes.start_time > 1760000600000",
    "dataset.name = 'digits'",
]


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """130 runs; one is deleted, one has an odd param and no name, one a metric that is not a number."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('store')}/a store?%.db".replace("%", "%25").replace("?", "")
    fill_store(uri, 130, epochs=3)
    store = Store(uri)
    ids = list(store.history("hit")["run_id"])
    store.client.delete_run(ids[4])
    home = store.client.get_run(ids[0]).info.experiment_id
    odd = store.client.create_run(home, tags={Tag.KIND: Kind.TRAIN, Tag.SCHEMA: "1"}, start_time=5)
    store.client.log_param(odd.info.run_id, "epochs", "many")
    store.client.log_param(odd.info.run_id, "beta_3", "1e-1")
    store.client.log_param(odd.info.run_id, "target_rate_1", "20")
    store.client.log_metric(odd.info.run_id, "test/psnr", float("nan"))
    store.client.log_metric(odd.info.run_id, "test/rate", float("inf"))
    store.client.create_run(home, tags={Tag.KIND: Kind.SWEEP})
    return uri


def by_client(uri: str) -> Store:
    """A store that is asked through MLflow's client alone."""
    store = Store(uri)
    store.__dict__["_tables"] = None
    return store


@pytest.fixture
def only_tables(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let MLflow's search fail, so that the tables must have been read."""

    def forbid() -> None:
        def refuse(*_: Any, **__: Any) -> None:
            raise AssertionError("MLflow was asked")

        monkeypatch.setattr("mlflow.MlflowClient.search_runs", refuse)

    return forbid


@pytest.mark.parametrize("where", FILTERS)
def test_tables_give_the_frame_that_the_client_gives(uri: str, where: str, only_tables: Callable[[], None]) -> None:
    expected = by_client(uri).history("hit", where=where)
    only_tables()
    assert_frame_equal(Store(uri).history("hit", where=where), expected)


@pytest.mark.parametrize("where", ["", "params.model = 'ghvae' and params.seed != '0'"])
def test_ids_alone_are_those_of_the_runs(uri: str, where: str, only_tables: Callable[[], None]) -> None:
    expected = [run.info.run_id for run in Store(uri).runs("hit", where=where)]
    only_tables()
    assert Store(uri).run_ids("hit", where=where) == expected
    assert Store(uri).run_ids("other", where=where) == []
    assert by_client(uri).run_ids("hit", where=where) is None


@pytest.mark.parametrize("choice", [{"kind": None}, {"kind": Kind.SWEEP}, {"sweep": "5" * 32}])
def test_kind_and_sweep_choose(uri: str, choice: dict[str, Any]) -> None:
    expected = by_client(uri).history("hit", **choice)
    assert len(expected) > 0
    assert_frame_equal(Store(uri).history("hit", **choice), expected)


def test_the_pages_of_the_client_make_one_frame(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hit.store.store._PAGE", 40)
    assert_frame_equal(by_client(uri).history("hit"), Store(uri).history("hit"))


def test_an_experiment_that_is_not_there_has_no_runs(uri: str) -> None:
    assert Store(uri).history("other").empty
    assert Store(uri).states("other") == {}


@pytest.mark.parametrize("where", ["nonsense", "metrics.beta_1 = 'one'", "color.x = 1"])
def test_a_filter_that_is_not_understood_is_one_line(uri: str, where: str) -> None:
    for store in (Store(uri), by_client(uri)):
        with pytest.raises(StoreError, match="the store cannot answer") as caught:
            store.history("hit", where=where)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [OperationalError("", {}, Exception("no such table")), AttributeError("x")])
def test_where_the_tables_are_others_the_client_is_asked(
    uri: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = Store(uri).history("hit")

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(Database, "_matching", fail)
    assert_frame_equal(Store(uri).history("hit"), expected)
    assert Store(uri).states("hit") is None
    assert_frame_equal(HistoryReader(Store(uri)).read(), expected)


def test_the_database_cannot_be_written(uri: str) -> None:
    with Database(uri)._engine.connect() as connection, pytest.raises(OperationalError, match="readonly"):
        connection.exec_driver_sql("DELETE FROM runs")


def test_only_addresses_of_databases_are_read() -> None:
    assert Database.reads("postgresql+psycopg2://user@host/base")
    assert not Database.reads("http://127.0.0.1:5000")
    assert not Database.reads("file:///tmp/mlruns")


def logged(store: Store, ids: list[str], names: list[str]) -> pd.DataFrame:
    table = pd.DataFrame(store.histories(ids, names), columns=["run_id", "metric", "step", "timestamp", "value"])
    return table.sort_values(list(table)[:4], ignore_index=True)


def test_histories_are_those_that_the_client_gives(uri: str) -> None:
    ids = list(Store(uri).history("hit")["run_id"][:40])
    names = ["train/elbo", "train/rate_1", "test/psnr", "unheard/of"]
    found = logged(Store(uri), ids, names)
    assert found["value"].isna().sum() == 1  # the metric that is not a number
    assert len(found) > 40 * 6
    assert_frame_equal(found, logged(by_client(uri), ids, names))


class TestChanges:
    @pytest.fixture
    def own(self, tmp_path: Path) -> Store:
        fill_store(new_database(tmp_path / "store.db"), 30, epochs=2)
        return Store(f"sqlite:///{tmp_path}/store.db")

    def test_only_what_has_changed_is_read(self, own: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        reader = HistoryReader(own)
        first = reader.read()
        asked: list[list[str]] = []
        history_of = Store.history_of

        def spy(store: Store, experiment: str, run_ids: list[str]) -> pd.DataFrame:
            asked.append(list(run_ids))
            return history_of(store, experiment, run_ids)

        monkeypatch.setattr(Store, "history_of", spy)
        assert reader.read() is first
        ids = list(first["run_id"])
        own.client.log_metric(ids[0], "test/psnr", 99.0)  # measured anew, though it had ended
        own.client.set_terminated(ids[7], "KILLED")
        own.client.delete_run(ids[2])
        own.client.set_tag(ids[9], Tag.EVALUATOR, "another evaluator")
        own.client.set_tag(ids[10], Tag.HEARTBEAT, "1")  # no column shows it
        second = reader.read()
        assert asked == [[ids[0], ids[7], ids[9]]]
        assert_frame_equal(second, own.history("hit"))
        assert second.set_index("run_id").loc[ids[0], "test/psnr"] == 99.0
        assert ids[2] not in set(second["run_id"])

    def test_runs_that_come_to_match_or_cease_to(self, own: Store) -> None:
        reader = HistoryReader(own, where="metrics.`test/psnr` > 15")
        first = reader.read()
        others = own.history("hit", where="metrics.`test/psnr` <= 15")["run_id"]
        own.client.log_metric(first["run_id"][0], "test/psnr", 1.0, step=1)
        own.client.log_metric(others[0], "test/psnr", 50.0, step=1)
        second = reader.read()
        assert_frame_equal(second, own.history("hit", where="metrics.`test/psnr` > 15"))
        assert set(second["run_id"]) ^ set(first["run_id"]) == {first["run_id"][0], others[0]}


def test_a_server_gives_histories_in_bulk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(tmp_path / "server")
    server.start()
    try:
        file = f"sqlite:///{tmp_path}/server/server.db"
        fill_store(file, 12, epochs=4)
        expected = logged(Store(file), list(Store(file).history("hit")["run_id"]), ["train/elbo", "test/psnr"])

        def refuse(*_: Any, **__: Any) -> None:
            raise AssertionError("asked run by run")

        monkeypatch.setattr("mlflow.MlflowClient.get_metric_history", refuse)
        store = Store(server.uri)
        frame = store.history("hit")
        assert_frame_equal(frame, Store(file).history("hit"))
        ids = list(frame["run_id"])
        assert_frame_equal(logged(store, ids, ["train/elbo", "test/psnr"]), expected)
        monkeypatch.setattr("hit.store.metric_history._MOST_POINTS", 20)  # a question that holds more is cut
        assert_frame_equal(logged(store, ids, ["train/elbo", "test/psnr"]), expected)
        monkeypatch.undo()
        monkeypatch.setattr("hit.store.metric_history._ROUTE", "/ajax-api/2.0/mlflow/no-such-route")
        assert_frame_equal(logged(store, ids, ["train/elbo", "test/psnr"]), expected)
    finally:
        server.stop()
    with pytest.raises(StoreAway):
        list(store.histories(ids, ["train/elbo"]))
    assert np.isfinite(expected["value"]).all()
