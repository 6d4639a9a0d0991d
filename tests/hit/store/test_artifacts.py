"""Artifacts of runs come as bytes, or not at all."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hit.errors import StoreAway, StoreError
from hit.schema import Kind
from hit.store import Store
from hit.store.artifacts import ArtifactReader
from hit.tracking import RunWriter
from tests.stores import new_database


class _Store:
    """A store whose runs keep their artifacts in one folder, and that counts how often it is asked."""

    def __init__(self, folder: Path, *, away: bool = False) -> None:
        self.client = SimpleNamespace(tracking_uri=f"sqlite:///{folder}/mlflow.db")
        self.asked = 0
        self._folder, self._away = folder, away

    def run(self, run_id: str) -> Any:
        self.asked += 1
        if self._away:
            raise StoreAway("away")
        return SimpleNamespace(info=SimpleNamespace(artifact_uri=self._folder.as_uri()))


def test_an_artifact_comes_as_its_bytes_and_its_place_is_asked_once(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "samples.png").write_bytes(b"picture")
    store: Any = _Store(tmp_path)
    read = ArtifactReader(store)
    assert read("run", "images/samples.png") == b"picture"
    assert read("run", "images/reconstructions.png") is None
    assert store.asked == 1


@pytest.mark.parametrize("runs", [1, 5])
def test_a_store_that_is_away_is_asked_once(tmp_path: Path, runs: int) -> None:
    store: Any = _Store(tmp_path, away=True)
    read = ArtifactReader(store)
    assert [read(f"run-{at}", "images/samples.png") for at in range(runs)] == [None] * runs
    assert store.asked == 1


def test_a_store_that_was_moved_says_where_it_looked(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    uri = new_database(old / "store.db")
    with RunWriter.begin(kind=Kind.TRAIN, name="a run", state_dir=tmp_path / "state", uri=uri) as run:
        run.json_artifact("config.json", {"a": 1})
    old.rename(new)
    said = rf"looked for in {old.as_uri()}/mlruns/hit/{run.run_id}/artifacts: .*; a store that was moved keeps the old"
    with pytest.raises(StoreError, match=said):
        Store(f"sqlite:///{new}/store.db").download(run.run_id, "config.json", tmp_path)
