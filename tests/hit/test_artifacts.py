"""Artifacts of runs come as bytes, or not at all."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hit.artifacts import ArtifactReader
from hit.errors import StoreAway


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
