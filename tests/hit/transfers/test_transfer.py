"""Runs of one store in another: whole, once, under their own ids or found by them, however often it is interrupted."""

import math
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.data.code_dataset_source import CodeDatasetSource
from mlflow.data.meta_dataset import MetaDataset
from mlflow.entities import DatasetInput, Metric

from hit.connection import connect, experiment_id
from hit.errors import ConfigError, StoreError
from hit.processes.stop import StopRequest
from hit.schema import Kind, Tag
from hit.store import Store
from hit.transfer import main
from hit.transfers import run_ids, run_transfer, transfer_runs
from tests.backends import ON_SERVERS, Backend
from tests.stores import new_database

pytestmark = pytest.mark.usefixtures("lines")


class Laptop:
    """A store in a folder of its own, with a sweep, a finished and a failed model of it, and one that runs."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.uri = folder, new_database(folder / "runs.db")
        self.client = connect(self.uri)
        home = experiment_id(self.client, "hit")
        self.sweep = self._run(home, "sweep", Kind.SWEEP, "FINISHED")
        parent = {str(Tag.PARENT): self.sweep, str(Tag.SWEEP): self.sweep}
        self.model = self._run(home, "model", Kind.TRAIN, "FINISHED", **parent)
        self.failed = self._run(home, "failed", Kind.TRAIN, "FAILED", **parent)
        self.running = self._run(home, "running", Kind.TRAIN, "")

    def _run(self, home: str, name: str, kind: Kind, status: str, **tags: str) -> str:
        run_id = str(self.client.create_run(home, run_name=name, tags={str(Tag.KIND): str(kind), **tags}).info.run_id)
        self.client.log_param(run_id, "beta_1", "0.5")
        losses = [Metric("train/loss", value, 1000 + step, step) for step, value in enumerate((3.0, math.nan, 1.0))]
        self.client.log_batch(run_id, metrics=[*losses, Metric("test/rate", 2.0**0.5, 2000, 0)])
        data = MetaDataset(CodeDatasetSource({}), name="digits", digest="abc")
        self.client.log_inputs(run_id, datasets=[DatasetInput(data._to_mlflow_entity())])
        self.client.log_text(run_id, f"weights of {name}", "model/weights.txt")
        if status:
            self.client.set_terminated(run_id, status)
        return run_id

    def runs(self) -> list[Any]:
        return list(Store(self.uri).runs("hit", kind=None))


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(tmp_path / "laptop")


@pytest.fixture
def team(backend: Backend) -> SimpleNamespace:
    return SimpleNamespace(uri=backend.uri, client=connect(backend.uri))


def moved(source: str, target: str, *words: str) -> None:
    main([source, target, *words], StopRequest())


def as_it_is(client: MlflowClient, run_id: str, folder: Path) -> dict[str, Any]:
    """All that a store tells of a run, in a form that compares."""
    run = client.get_run(run_id)
    own = (Tag.TRANSFERRED_FROM, Tag.TRANSFERRED_STATE)
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "info": (run.info.run_name, run.info.status, run.info.start_time, run.info.end_time),
        "params": run.data.params,
        "tags": {key: value for key, value in run.data.tags.items() if key not in own},
        "latest": {key: repr(value) for key, value in run.data.metrics.items()},
        "history": [
            (one.step, one.timestamp, repr(one.value)) for one in client.get_metric_history(run_id, "train/loss")
        ],
        "data": [(one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs],
        "weights": Path(client.download_artifacts(run_id, "model/weights.txt", str(folder))).read_text(),
    }


def test_a_database_takes_runs_whole_under_their_own_ids(laptop: Laptop, team: SimpleNamespace, tmp_path: Path) -> None:
    moved(laptop.uri, team.uri)
    for run_id in (laptop.sweep, laptop.model, laptop.failed):
        here, there = (
            as_it_is(client, run_id, tmp_path / name) for name, client in (("a", laptop.client), ("b", team.client))
        )
        assert here == there
    frame = Store(team.uri).history("hit")
    assert set(frame["run_id"]) == {laptop.model, laptop.failed}
    assert set(frame["sweep"]) == {laptop.sweep}


def test_a_second_time_nothing_is_done(
    laptop: Laptop, team: SimpleNamespace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    moved(laptop.uri, team.uri)
    assert "3 of 4 runs changed" in capsys.readouterr().err
    monkeypatch.setattr(run_transfer, "_complete", lambda *_: pytest.fail("it was there"))
    moved(laptop.uri, team.uri)
    said = capsys.readouterr().err
    assert said.count("it is there already") == 3
    assert "left out: it is RUNNING" in said
    moved(team.uri, laptop.uri)
    assert capsys.readouterr().err.count("it is there already") == 3


def test_what_was_added_since_follows(laptop: Laptop, team: SimpleNamespace, tmp_path: Path) -> None:
    moved(laptop.uri, team.uri)
    laptop.client.log_metric(laptop.model, "test/accuracy_z2", 0.9, timestamp=5000, step=0)
    laptop.client.log_metric(laptop.model, "train/loss", 0.5, timestamp=5000, step=3)
    laptop.client.set_tag(laptop.model, "colour", "green")
    laptop.client.log_text(laptop.model, "better weights", "model/weights.txt")
    moved(laptop.uri, team.uri)
    there = as_it_is(team.client, laptop.model, tmp_path / "b")
    assert there == as_it_is(laptop.client, laptop.model, tmp_path / "a")
    assert there["weights"] == "better weights"
    assert len(there["history"]) == 4


@pytest.mark.parametrize("at", ["_missing", "copy_artifacts", "_end"])
def test_an_interrupted_one_goes_on(
    laptop: Laptop, team: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    def broken(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_transfer, at, broken)
        with pytest.raises(KeyboardInterrupt):
            moved(laptop.uri, team.uri)
    assert Store(team.uri).history("hit").empty, "what is not whole is no model"
    moved(laptop.uri, team.uri)
    assert as_it_is(team.client, laptop.model, tmp_path / "b") == as_it_is(laptop.client, laptop.model, tmp_path / "a")


@pytest.fixture
def gives_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores give ids themselves, as servers do."""
    monkeypatch.setattr(run_ids, "is_database", lambda _: False)


@pytest.mark.usefixtures("gives_ids")
def test_a_server_names_the_old_id_in_a_tag_and_relatives_by_their_new_ones(
    laptop: Laptop, team: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moved(laptop.uri, team.uri)
    moved(laptop.uri, team.uri)
    found = {run.data.tags[Tag.TRANSFERRED_FROM]: run for run in Store(team.uri).runs("hit", kind=None)}
    assert set(found) == {laptop.sweep, laptop.model, laptop.failed}
    model = found[laptop.model]
    assert model.info.run_id != laptop.model
    assert model.data.tags[Tag.SWEEP] == model.data.tags[Tag.PARENT] == found[laptop.sweep].info.run_id
    there = as_it_is(team.client, model.info.run_id, tmp_path / "b")
    here = as_it_is(laptop.client, laptop.model, tmp_path / "a")
    assert {**there, "tags": None} == {**here, "tags": None}
    team.client.log_metric(model.info.run_id, "test/fid_z2", 3.0, timestamp=9000, step=0)
    capsys.readouterr()
    moved(team.uri, laptop.uri)
    assert laptop.client.get_run(laptop.model).data.metrics["test/fid_z2"] == 3.0, "back where it came from"
    assert len(laptop.runs()) == 4


@pytest.mark.usefixtures("gives_ids")
def test_of_two_at_once_one_run_stays(laptop: Laptop, team: SimpleNamespace) -> None:
    home = experiment_id(team.client, "hit")
    run = laptop.client.get_run(laptop.model)
    first = run_ids.RunIds(team.client, home).make(run)
    second = run_ids.RunIds(team.client, home)
    second._known.clear()  # as it read the store before the first one wrote
    assert second.make(run).info.run_id in {one.info.run_id for one in Store(team.uri).runs("hit", kind=None)}
    assert len(list(Store(team.uri).runs("hit", kind=None))) == 1
    assert first.info.experiment_id == home


@ON_SERVERS
def test_a_store_from_a_machine_without_network_merges_into_the_teams(
    laptop: Laptop, team: SimpleNamespace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Twice, and with what came since; a second laptop's runs stand beside the first one's."""
    moved(laptop.uri, team.uri, "--dry_run", "true")
    assert Store(team.uri).history("hit").empty
    moved(laptop.uri, team.uri, "--where", "attributes.run_name = 'model'")
    moved(laptop.uri, team.uri)
    moved(laptop.uri, team.uri)
    assert "0 of 4 runs changed" in capsys.readouterr().err
    laptop.client.log_metric(laptop.model, "train/loss", 0.5, timestamp=5000, step=3)
    laptop.client.log_text(laptop.model, "better weights", "model/weights.txt")
    other = Laptop(tmp_path / "other")
    moved(laptop.uri, team.uri)
    moved(other.uri, team.uri)
    found = {run.data.tags[Tag.TRANSFERRED_FROM]: run for run in Store(team.uri).runs("hit", kind=None)}
    assert set(found) == {one for here in (laptop, other) for one in (here.sweep, here.model, here.failed)}
    keeps_ids = team.uri.startswith("postgresql")
    assert all((old == run.info.run_id) == keeps_ids for old, run in found.items())
    there = as_it_is(team.client, found[laptop.model].info.run_id, tmp_path / "b")
    here = as_it_is(laptop.client, laptop.model, tmp_path / "a")
    assert {**there, "tags": None} == {**here, "tags": None}
    assert (there["weights"], len(there["history"])) == ("better weights", 4)
    assert found[other.model].data.tags[Tag.SWEEP] == found[other.sweep].info.run_id


def test_a_dry_run_writes_nothing(laptop: Laptop, team: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    moved(laptop.uri, team.uri, "--dry_run", "true")
    said = capsys.readouterr().err
    assert said.count("would be new") == 3
    assert "3 of 4 runs would be changed" in said
    assert Store(team.uri).experiments() == ["Default"]


def test_a_store_that_was_moved_has_its_artifacts_beside_it(
    laptop: Laptop, team: SimpleNamespace, tmp_path: Path
) -> None:
    shutil.move(laptop.folder, tmp_path / "stick")
    moved(f"sqlite:///{tmp_path}/stick/runs.db", team.uri)
    got = Path(team.client.download_artifacts(laptop.model, "model/weights.txt", str(tmp_path)))
    assert got.read_text() == "weights of model"


def test_artifacts_that_are_nowhere_are_told_of_their_run_and_the_run_is_no_model(
    laptop: Laptop, team: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(laptop.folder / "mlruns")
    with pytest.raises(StoreError, match="3 of 4 runs could not be transferred"):
        moved(laptop.uri, team.uri)
    assert "artifacts must lie in" in capsys.readouterr().err
    assert Store(team.uri).history("hit").empty


def test_another_value_of_a_param_is_told(laptop: Laptop, team: SimpleNamespace) -> None:
    moved(laptop.uri, team.uri)
    team.client.log_param(laptop.model, "by_hand", "1")
    laptop.client.log_param(laptop.model, "by_hand", "2")
    runs = [laptop.client.get_run(laptop.model)]
    (one,) = transfer_runs(Store(laptop.uri), Store(team.uri), runs, "hit")
    assert one.failed
    assert "its param by_hand must be '1', as in the target, got '2'" in one.text


def test_a_run_that_is_deleted_in_the_target_stays_so(laptop: Laptop, team: SimpleNamespace) -> None:
    moved(laptop.uri, team.uri)
    team.client.delete_run(laptop.model)
    runs = [laptop.client.get_run(laptop.model)]
    (one,) = transfer_runs(Store(laptop.uri), Store(team.uri), runs, "hit")
    assert one.failed
    assert "it is deleted in the target" in one.text


def test_other_experiments(laptop: Laptop, team: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    moved(
        laptop.uri,
        team.uri,
        "--experiment",
        "all",
        "--into",
        "from laptops",
        "--where",
        "attributes.status = 'FINISHED'",
    )
    assert len(list(Store(team.uri).runs("from laptops", kind=None))) == 2
    with pytest.raises(ConfigError, match=r"experiment must be one of the source, got 'hti' of: .*hit"):
        moved(laptop.uri, team.uri, "--experiment", "hti")
    capsys.readouterr()
    moved(laptop.uri, team.uri, "--where", "params.beta_1 = '7'")
    assert "no run of the source is asked for" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "source must be the address of a store, got none"),
        (["{source}"], "target must be the address of a store, got none"),
        (["{source}", "{source}"], "target must be another store than source"),
        (["sqlite:///nowhere.db", "{source}"], "source must be a store that is there, got .*nowhere.db"),
        (["{source}", "sqlite:///nowhere.db", "--dry_run", "true"], "target must be a store that is there"),
        (["{source}", "b", "c"], "options must begin with --, got 'c'"),
    ],
)
def test_addresses_that_are_none(laptop: Laptop, words: list[str], said: str) -> None:
    with pytest.raises((ConfigError, StoreError), match=said):
        main([word.format(source=laptop.uri) for word in words], StopRequest())
