"""Whatever its length, what a run wants the store to know is taken; what differs stays different."""

import json
from collections.abc import Iterator
from pathlib import Path

import mlflow.utils.validation
import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from hit.config import TrainConfig
from hit.config.field_types import MOST_LAYERS
from hit.processes.stop import StopRequest
from hit.runs.evaluation_run import candidates, evaluate_run
from hit.runs.training_run import train_run
from hit.schema import CONFIG, Kind, Tag, field_lengths, layer_metrics
from hit.schema.field_lengths import is_shortened, shortened
from hit.store import Store
from hit.tracking import RunWriter
from hit.tracking.reservation import reserve_run
from tests.stores import new_database

AROUND = (-1, 0, 1, 5000)


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A store as strict as those of earlier versions of MLflow."""
    with pytest.MonkeyPatch.context() as patch:
        for name, most in (("MAX_PARAM_VAL_LENGTH", field_lengths.PARAM), ("MAX_TAG_VAL_LENGTH", field_lengths.TAG)):
            patch.setattr(mlflow.utils.validation, name, most)
        yield new_database(tmp_path_factory.mktemp("store") / "store.db")


@pytest.mark.parametrize("beyond", AROUND)
def test_a_run_may_be_told_anything(uri: str, tmp_path: Path, beyond: int) -> None:
    def text(limit: int) -> str:
        return ("x" * (limit + beyond - 1)) + "y"

    with RunWriter.begin(
        kind=Kind.TRAIN, name=text(field_lengths.NAME), state_dir=tmp_path, uri=uri, tags={"a": text(5000)}
    ) as run:
        run.params({"dataset": text(field_lengths.PARAM), "epochs": 3})
        run.tags({"b": text(field_lengths.TAG)})
        run.dataset(text(field_lengths.DATASET), text(field_lengths.DIGEST), {"train": 1})
        run.note = lambda status, reason: text(field_lengths.TAG)
    found = MlflowClient(uri).get_run(run.run_id)
    assert found.info.status == "FINISHED"
    (entry,) = found.inputs.dataset_inputs
    told = {
        found.info.run_name: field_lengths.NAME,
        found.data.params["dataset"]: field_lengths.PARAM,
        found.data.tags["a"]: field_lengths.TAG,
        found.data.tags["b"]: field_lengths.TAG,
        found.data.tags[Tag.NOTE]: field_lengths.TAG,
        entry.dataset.name: field_lengths.DATASET,
        entry.dataset.digest: field_lengths.DIGEST,
    }
    for value, limit in told.items():
        assert value == shortened(text(limit), limit)
        assert is_shortened(value) == (beyond > 0)
    artifacts = [one.path for one in MlflowClient(uri).list_artifacts(run.run_id)]
    assert ("long_params.json" in artifacts) == (beyond > 0)
    if beyond > 0:
        path = Store(uri).download(run.run_id, "long_params.json", tmp_path)
        assert json.loads(path.read_text()) == {"dataset": text(field_lengths.PARAM)}


def test_what_differs_stays_different() -> None:
    one, other = "x" * 300 + "1" + "x" * 300, "x" * 300 + "2" + "x" * 300
    assert shortened(one, 500) != shortened(other, 500)
    assert len(shortened(one, 500)) == 500
    assert shortened("\udcff" * 600, 500), "names of files may be of bytes that are no text"


def test_a_reserved_run_is_told_the_same(uri: str, tmp_path: Path) -> None:
    long = "x" * 6001
    tags = {Tag.CONFIG_HASH: "h", Tag.IMPORTED: long}
    run_id = reserve_run(Store(uri), "hit", long, {"dataset": long}, tags)
    run = MlflowClient(uri).get_run(run_id)
    assert run.data.params["dataset"] == shortened(long, field_lengths.PARAM)
    with RunWriter.take_over(run_id, kind=Kind.TRAIN, name=long, state_dir=tmp_path, uri=uri) as writer:
        writer.params({"dataset": long})
    assert MlflowClient(uri).get_run(run_id).info.status == "FINISHED"


def test_every_key_is_short_enough() -> None:
    names = [declared.name for declared in layer_metrics(MOST_LAYERS)]
    names += list(TrainConfig(z_dims=(1,) * (MOST_LAYERS - 1), betas=(1.0,) * MOST_LAYERS).to_flat())
    assert max(map(len, [*names, *map(str, Tag)])) <= field_lengths.KEY


def deep_file(folder: Path) -> Path:
    """A data set whose path is longer than a param may be."""
    for _ in range(6):
        folder /= "d" * 100
    folder.mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8)
    np.savez(folder / "images.npz", images=images, labels=np.arange(40) % 2)
    return folder / "images.npz"


def test_data_may_lie_deeply(uri: str, tmp_path: Path) -> None:
    path = deep_file(tmp_path / "data")
    config = TrainConfig(
        dataset=str(path),
        channels=2,
        z_dims=(3,),
        epochs=1,
        metrics="core",
        state_dir=str(tmp_path / "state"),
        threads=1,
    )
    store = Store(uri)
    run = store.run(train_run(config, uri=uri))
    assert run.info.status == "FINISHED"
    assert is_shortened(run.data.params["dataset"])
    assert json.loads(store.download(run.info.run_id, CONFIG, tmp_path).read_text())["dataset"] == str(path)
    assert measured_again(store, run, tmp_path) == {"core"}


def measured_again(store: Store, run: Run, folder: Path) -> frozenset[str]:
    (asked,) = candidates(store, "hit", run_id=run.info.run_id, groups={"core"}, again=True)
    done = evaluate_run(
        store,
        asked,
        again=True,
        data_root="",
        device="cpu",
        threads=1,
        state_dir=str(folder / "state"),
        stop=StopRequest(),
    )
    return done.groups
