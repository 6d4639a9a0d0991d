"""Artifacts of a run in another store: each once, told apart by its digest."""

__all__ = ["MANIFEST", "copy_artifacts"]

import hashlib
import json
import tempfile
from pathlib import Path

from mlflow.entities import Run
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from hit.connection.addresses import sqlite_path
from hit.connection.store_errors import translated
from hit.errors import StoreError

#: Artifact of a run that came from another store: path of each artifact that came with it → its SHA-256.
MANIFEST = "transfer.json"


def copy_artifacts(run: Run, source: str, there: Run, target: str) -> int:
    """Copy what the target's run lacks, or holds in another version; how many files that were.

    Args:
        run: of the source.
        source: its store's address.
        there: the target's run.
        target: its store's address.

    Raises:
        StoreError: an artifact cannot be read or written; `StoreAway`: a store does not answer.
    """
    try:
        with tempfile.TemporaryDirectory() as scratch:
            files = _files(run, source, Path(scratch) / "source")
            repository = _repository(there, target)
            have = _manifest(repository, Path(scratch) / "target")
            digests = {path: _digest(file) for path, file in files.items()}
            missing = [path for path, digest in digests.items() if have.get(path) != digest]
            for path in missing:
                repository.log_artifact(str(files[path]), path.rpartition("/")[0] or None)
            if missing:
                file = Path(scratch) / MANIFEST
                file.write_text(json.dumps(have | digests, indent=1, sort_keys=True))
                repository.log_artifact(str(file))
            return len(missing)
    except StoreError:
        raise
    except Exception as error:
        said = translated(error)
        raise type(said)(f"artifacts cannot be copied: {said}") from None


def _repository(run: Run, address: str) -> ArtifactRepository:
    return get_artifact_repository(str(run.info.artifact_uri), tracking_uri=address)


def _files(run: Run, address: str, scratch: Path) -> dict[str, Path]:
    """Path in the run → a file here, of every artifact but the manifest of an earlier transfer."""
    repository = _repository(run, address)
    if isinstance(repository, LocalArtifactRepository):
        folder = _moved(Path(repository.artifact_dir), address)
        if folder is None:
            return {}
    elif not repository.list_artifacts(""):
        return {}
    else:
        scratch.mkdir()
        folder = Path(repository.download_artifacts("", str(scratch)))
    found = {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*")) if file.is_file()}
    return {path: file for path, file in found.items() if path != MANIFEST}


def _moved(folder: Path, address: str) -> Path | None:
    """Where a local store keeps a run's artifacts: where it says, or beside the store's file, if both were moved
    together; None where the run has none.

    Raises:
        StoreError: there is no such place.
    """
    if folder.is_dir():
        return folder
    path = sqlite_path(address)
    if path is None or folder.parent.parent.is_dir():
        return None
    home = folder.parent.parent
    beside = path.parent / "mlruns" / home.name
    if not beside.is_dir():
        raise StoreError(f"artifacts must lie in {home}, or beside the store's file in {beside}, got neither")
    moved = beside / folder.parent.name / folder.name
    return moved if moved.is_dir() else None


def _manifest(repository: ArtifactRepository, scratch: Path) -> dict[str, str]:
    if not any(file.path == MANIFEST for file in repository.list_artifacts("")):
        return {}
    scratch.mkdir()
    read = json.loads(Path(repository.download_artifacts(MANIFEST, str(scratch))).read_text())
    return {str(path): str(digest) for path, digest in read.items()} if isinstance(read, dict) else {}


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
