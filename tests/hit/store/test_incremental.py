"""The incremental history equals a full one, whatever has happened in between."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from pandas.testing import assert_frame_equal

from hit.config import TrainConfig
from hit.connection import connect, experiment_id
from hit.errors import StoreError
from hit.schema import Kind, Tag
from hit.store import Store, config_of, incremental
from hit.store.frame_types import stack
from hit.store.incremental import HistoryReader
from hit.tracking import RunWriter
from tests.stores import new_database


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return new_database(tmp_path / "store.db")


class Happenings:
    """What sweeps, users and accidents do to a store, by chance."""

    def __init__(self, client: MlflowClient, seed: int) -> None:
        self.client = client
        self.experiment = experiment_id(client, "hit")
        self.chance = random.Random(seed)
        self.running: list[str] = []
        self.ended: list[str] = []
        self.seen: set[str] = set()

    def look(self) -> None:
        """Somebody reads the store now."""
        self.seen = set(self.running)

    def happen(self) -> None:
        deeds = [self.begin, self.begin, self.describe, self.measure, self.end, self.end, self.resume, self.take_back]
        self.chance.choice(deeds)()

    def begin(self) -> None:
        tags = {Tag.KIND: self.chance.choice([Kind.TRAIN, Kind.TRAIN, Kind.SWEEP]), Tag.CONFIG_HASH: "abc"}
        start = int(time.time() * 1000) - self.chance.choice([0, 0, 10, 86_400_000])
        self.running.append(self.client.create_run(self.experiment, start_time=start, tags=tags).info.run_id)

    def describe(self) -> None:
        """Params come after the run has begun, and not every version logs all of them."""
        flat = TrainConfig(epochs=self.chance.randint(1, 9), channels=self.chance.randint(1, 9)).to_flat()
        if self.chance.random() < 0.3:
            flat |= {"target_rate_1": 30.0, "beta_3": 2.0}
        for run_id in self._some(self.running):
            if not self.client.get_run(run_id).data.params:
                kept = [Param(name, str(value)) for name, value in flat.items() if self.chance.random() < 0.9]
                self.client.log_batch(run_id, params=kept)

    def measure(self) -> None:
        for run_id in self._some(self.running):
            name = self.chance.choice(["test/rate_1", "test/psnr", "beta_1", "train/elbo", f"odd_{len(self.ended)}"])
            self.client.log_batch(run_id, [Metric(name, self.chance.random(), int(time.time() * 1000), 0)])

    def end(self) -> None:
        for run_id in self._some(self.running):
            self.client.log_batch(run_id, tags=[RunTag(Tag.STATUS_REASON, "a reason")] * self.chance.randint(0, 1))
            # A journal that comes late tells of an end long ago.
            is_late = run_id in self.seen and self.chance.random() < 0.3
            late = int(time.time() * 1000) - 86_400_000 if is_late else None
            self.client.set_terminated(run_id, self.chance.choice(["FINISHED", "FAILED", "KILLED"]), end_time=late)
            self.running.remove(run_id)
            self.ended.append(run_id)

    def resume(self) -> None:
        for run_id in self._some(self.ended):
            self.client.update_run(run_id, status="RUNNING")
            self.ended.remove(run_id)
            self.seen.discard(run_id)
            self.running.append(run_id)

    def take_back(self) -> None:
        for run_id in self._some(self.running):
            self.client.delete_run(run_id)
            self.running.remove(run_id)

    def _some(self, runs: list[str]) -> list[str]:
        return self.chance.sample(runs, min(1, len(runs)))


def assert_same(incremental: pd.DataFrame, full: pd.DataFrame) -> None:
    assert_frame_equal(incremental, full, check_dtype=len(full) > 0)  # no rows have no types


def by_client(uri: str) -> Store:
    """A store that is asked through MLflow's client alone, as a server is."""
    store = Store(uri)
    store.__dict__["_tables"] = None
    return store


@pytest.mark.parametrize("open_store", [Store, by_client])
@pytest.mark.parametrize("seed", range(3))
def test_equals_a_full_reading_after_every_happening(uri: str, seed: int, open_store: Callable[[str], Store]) -> None:
    world = Happenings(connect(uri), seed)
    store = open_store(uri)
    reader = HistoryReader(store, "hit")
    assert_same(reader.read(), store.history("hit"))
    for _ in range(25):
        for _ in range(world.chance.randint(1, 3)):
            world.happen()
        assert_same(reader.read(), store.history("hit"))
        world.look()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """How many runs the store gave since last asked."""
    given: list[str] = []
    real = Store.runs

    def runs(self: Store, *arguments: object, **options: object) -> list[object]:
        found = list(real(self, *arguments, **options))  # type: ignore[arg-type]
        given.extend(run.info.run_id for run in found)
        return found  # type: ignore[return-value]

    monkeypatch.setattr(Store, "runs", runs)

    def since_last() -> list[str]:
        so_far, given[:] = given[:], []
        return so_far

    return since_last


def test_asks_for_little(uri: str, asked: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incremental, "CLOCK_MARGIN_SECONDS", 0.0)
    client = connect(uri)
    experiment = experiment_id(client, "hit")
    runs = [client.create_run(experiment, tags={Tag.KIND: Kind.TRAIN}).info.run_id for _ in range(30)]
    for run_id in runs[:-2]:
        client.set_terminated(run_id)
    time.sleep(0.01)
    reader = HistoryReader(by_client(uri), "hit")
    first = reader.read()
    assert len(first) == 30
    asked()
    time.sleep(0.01)
    client.set_terminated(runs[-1])
    second = reader.read()
    assert set(asked()) == set(runs[-2:])
    assert list(first["status"]).count("FINISHED") == 28, "a frame that was handed out does not change"
    assert list(second["status"]).count("FINISHED") == 29
    client.set_tag(runs[0], Tag.INFEASIBLE, "R_2")
    assert reader.read()["infeasible"].isna().all(), "a tag set after the end is seen at the next full reading"
    assert list(reader.read(full=True)["infeasible"].dropna()) == ["R_2"]


def test_a_run_that_was_measured_again_is_seen(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incremental, "CLOCK_MARGIN_SECONDS", 0.0)
    client = connect(uri)
    run_id = client.create_run(experiment_id(client, "hit"), tags={Tag.KIND: Kind.TRAIN}).info.run_id
    client.set_terminated(run_id)
    time.sleep(0.01)
    reader = HistoryReader(Store(uri), "hit")
    assert "test/psnr" not in reader.read()
    for psnr in (20.0, 21.0):
        with RunWriter.amend(run_id, state_dir=tmp_path, uri=uri) as run:
            run.metrics({"test/psnr": psnr}, step=int(psnr))
        assert list(reader.read()["test/psnr"]) == [psnr]


def test_everything_is_read_again_in_time(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = connect(uri)
    run_id = client.create_run(experiment_id(client, "hit"), tags={Tag.KIND: Kind.TRAIN}).info.run_id
    client.set_terminated(run_id)
    reader = HistoryReader(by_client(uri), "hit")
    reader.read()
    client.delete_run(run_id)
    monkeypatch.setattr(incremental, "FULL_READ_SECONDS", -1.0)
    monkeypatch.setattr(incremental, "_FULL_READ_SHARE", 0.0)
    assert reader.read().empty


def test_a_second_beta_of_a_model_of_one_layer(uri: str) -> None:
    """`mlflow run` logged every default that an older MLproject declared."""
    client = connect(uri)
    run = client.create_run(experiment_id(client, "older"))
    for name, text in {"model": "vae", "beta_1": "0.5", "beta_2": "1.0", "data_root": "''"}.items():
        client.log_param(run.info.run_id, name, text)
    assert config_of(client.get_run(run.info.run_id)) == {"model": "vae", "beta_1": "0.5", "data_root": ""}


def test_another_schema_is_one_line(uri: str) -> None:
    client = connect(uri)
    reader = HistoryReader(Store(uri), "hit")
    assert reader.read().empty, "an experiment that does not exist has no runs"
    client.create_run(experiment_id(client, "hit"), tags={Tag.KIND: Kind.TRAIN, Tag.SCHEMA: "99"})
    for _ in range(2):
        with pytest.raises(StoreError, match=r"must hold runs of schema 1 alone, got 'hit' with run \w+ of schema 99"):
            reader.read()


def test_stacked_columns_have_the_types_of_the_whole() -> None:
    text = stack([pd.DataFrame({"a": ["x"]}), pd.DataFrame({"a": [None]})])
    assert text["a"].dtype == pd.DataFrame({"a": ["x", None]})["a"].dtype
    numbers = stack([pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [], "b": []}), pd.DataFrame({"a": [2]})])
    assert numbers["a"].dtype == "int64"
    assert list(numbers["a"]) == [1, 2]
