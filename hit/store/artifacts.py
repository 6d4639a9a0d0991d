"""Artifacts of many runs, read into memory."""

__all__ = ["ArtifactReader"]

import tempfile
from functools import lru_cache
from pathlib import Path

from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from hit.errors import StoreAway, StoreError, StoreRefused
from hit.store.store import Store


class ArtifactReader:
    """`reader(run_id, path)`: the bytes of a run's artifact, None where it has none or the store does not give it.

    Where a run keeps its artifacts is asked once. A store that has not answered is not asked again: a report waits
    for it once, not once a run.

    Args:
        store: the store of the runs.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._away = False
        self._repository = lru_cache(maxsize=16)(self._find)

    def __call__(self, run_id: str, path: str) -> bytes | None:
        """The bytes of an artifact of ours (its path is no one else's), or None."""
        if self._away:
            return None
        try:
            repository = self._repository(run_id)
            if isinstance(repository, LocalArtifactRepository):
                return (Path(repository.artifact_dir) / path).read_bytes()
            with tempfile.TemporaryDirectory() as folder:
                return Path(repository.download_artifacts(path, folder)).read_bytes()
        except (StoreAway, StoreRefused):
            self._away = True
            return None
        except Exception:  # each kind of repository has its own errors; a picture is not worth a report
            return None

    def _find(self, run_id: str) -> ArtifactRepository:
        uri = self._store.run(run_id).info.artifact_uri
        if uri is None:
            raise StoreError(f"run {run_id} must have a place for artifacts, got none")
        return get_artifact_repository(uri, tracking_uri=self._store.client.tracking_uri)
