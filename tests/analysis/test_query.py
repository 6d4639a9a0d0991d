"""The store for people: queries, again and again, and what models logged once an epoch."""

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import hit.store
from analysis.query import Query, histories, runs
from hit.errors import StoreError
from hit.schema import Kind
from hit.schema.experiments import Experiment
from hit.store import Store, to_frame
from tests.many_runs import fill_store
from tests.stores import new_database


class FakeStore:
    """Answers like `hit.store.store.Store` from a frame, and remembers what it was asked."""

    asked: dict[str, Any]
    frame = to_frame([])

    def __init__(self, uri: str | None) -> None:
        FakeStore.asked = {"uri": uri}

    def states(self, experiment: Experiment, **_: Any) -> dict[str, Any]:
        return {}

    def history(self, experiment: Experiment, *, where: str, kind: Kind, sweep: str | None) -> pd.DataFrame:
        FakeStore.asked |= {"experiment": str(experiment), "where": where, "kind": kind, "sweep": sweep}
        return FakeStore.frame

    def experiment(self, experiment: str | Experiment) -> Experiment:
        return Experiment(str(experiment), "1" if str(experiment) in self.experiments() else "")

    def runs(self, experiment: Experiment, *, where: str) -> list[Any]:
        assert "hit.kind" in where
        return [SimpleNamespace(info=SimpleNamespace(run_id="a" * 32))]

    def experiments(self) -> list[str]:
        return ["Default", "hit"]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> type[FakeStore]:
    monkeypatch.setattr(hit.store, "Store", FakeStore)
    monkeypatch.setattr(FakeStore, "frame", to_frame([]))
    return FakeStore


def test_runs_asks_the_store_and_hands_its_frame_on(store: type[FakeStore], grid: pd.DataFrame) -> None:
    store.frame = grid
    assert_frame_equal(runs("other", "metrics.beta_1 < 1", "sqlite:///x.db", sweep="s" * 32), grid)
    assert store.asked == {
        "uri": "sqlite:///x.db",
        "experiment": "other",
        "where": "metrics.beta_1 < 1",
        "kind": Kind.TRAIN,
        "sweep": "s" * 32,
    }


def test_an_empty_sweep_is_no_filter(store: type[FakeStore], grid: pd.DataFrame) -> None:
    store.frame = grid
    runs(sweep="")
    assert store.asked["sweep"] is None


def test_an_empty_store_says_which_command_makes_runs(store: type[FakeStore]) -> None:
    with pytest.raises(StoreError, match=r"experiment 'hit' holds no runs: .*`python -m hit\.train`"):
        runs()


def test_an_experiment_that_is_not_there_is_named(store: type[FakeStore]) -> None:
    with pytest.raises(StoreError, match=r"there is no experiment 'hti'; did you mean 'hit'\?; make one by"):
        runs("hti")


def test_a_filter_that_matches_nothing_is_named(store: type[FakeStore]) -> None:
    with pytest.raises(StoreError, match=r"no run of experiment 'hit' has where=.*seed = 9.* and sweep='abc'"):
        runs(where="metrics.seed = 9", sweep="abc")


def test_a_misspelt_sweep_has_the_nearest_one(store: type[FakeStore]) -> None:
    with pytest.raises(StoreError, match=rf"has sweep='a+b'; did you mean '{'a' * 32}'\?"):
        runs(sweep="a" * 31 + "b")


def test_a_misspelt_name_in_a_filter_is_told(store: type[FakeStore]) -> None:
    with pytest.raises(StoreError, match=r"has where='metrics.beta1 < 3'; did you mean 'metrics.beta_1 < 3'\?$"):
        runs(where="metrics.beta1 < 3")


def test_runs_of_another_schema_are_named(store: type[FakeStore], grid: pd.DataFrame) -> None:
    store.frame = grid.assign(schema="0")
    with pytest.raises(StoreError, match=r"of schema 0: name another experiment, or use the version of hit"):
        runs()


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    uri = new_database(tmp_path_factory.mktemp("query") / "store.db")
    fill_store(uri, 12, epochs=4)
    return uri


class TestQuery:
    def test_the_same_query_sees_what_has_changed(self, uri: str) -> None:
        query = Query("hit", "metrics.beta_1 > 0", uri)
        first = query.runs()
        assert set(first["status"]) == {"FINISHED", "FAILED", "RUNNING"}
        first["test/psnr"] = 0.0  # a frame of one's own
        store = Store(uri)
        store.client.set_terminated(first["run_id"][7], "KILLED")
        store.client.log_metric(first["run_id"][0], "test/psnr", 77.0, step=1)
        second = query.runs()
        assert second.loc[7, "status"] == "KILLED"
        assert second.loc[0, "test/psnr"] == 77.0
        assert_frame_equal(second, runs("hit", "metrics.beta_1 > 0", uri))
        assert_frame_equal(query.runs(full=True), second)

    def test_histories_are_tidy(self, uri: str) -> None:
        frame = runs(tracking_uri=uri).iloc[::-1]
        table = histories(frame, tracking_uri=uri)
        assert list(table) == [
            "run_id", "epoch", "train/rate", "train/rate_1", "train/rate_2", "train/distortion", "train/elbo",
        ]  # fmt: skip
        assert list(table["run_id"].unique()) == list(frame["run_id"]), (
            "in the order of the runs, whatever their status"
        )
        assert table.groupby("run_id")["epoch"].apply(list).tolist() == [[1, 2, 3, 4]] * 12
        client = Store(uri).client
        for point in client.get_metric_history(frame["run_id"].iloc[3], "train/rate_2"):
            row = table[(table["run_id"] == frame["run_id"].iloc[3]) & (table["epoch"] == point.step)]
            assert row["train/rate_2"].item() == point.value

    def test_histories_of_metrics_that_few_have(self, uri: str) -> None:
        store = Store(uri)
        ids = list(runs(tracking_uri=uri)["run_id"])
        store.client.log_metric(ids[1], "train/accuracy", 0.5, step=2, timestamp=5)
        store.client.log_metric(ids[1], "train/accuracy", 0.25, step=2, timestamp=9)  # resumed
        table = histories(ids[:3], ["train/accuracy", "train/elbo"], uri)
        assert len(table) == 12
        known = table.dropna(subset="train/accuracy")
        assert known[["run_id", "epoch", "train/accuracy"]].to_numpy().tolist() == [[ids[1], 2, 0.25]]
        none = histories(ids[:1], ["train/accuracy"], uri)
        assert (len(none), list(none)) == (0, ["run_id", "epoch", "train/accuracy"])
        assert Query(tracking_uri=uri).histories(["train/accuracy"]).equals(known[list(none)].reset_index(drop=True))

    def test_histories_of_a_misspelt_metric(self, uri: str) -> None:
        with pytest.raises(StoreError, match="did you mean 'train/elbo'"):
            histories(["a"], ["train/ebo"], uri)
