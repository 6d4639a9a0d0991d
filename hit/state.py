"""What a run leaves on this machine: a folder under the state directory, locked while a process writes to it."""

__all__ = ["is_mark_of", "lock_run", "make_writable", "run_folder", "store_mark"]

import hashlib
import os
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

from hit.addresses import place, tracking_uri
from hit.errors import StoreError, StoreRefused


def run_folder(state_dir: Path, run_id: str) -> Path:
    """Where the journal and the checkpoint of a run lie."""
    return state_dir / "runs" / run_id


def make_writable(state_dir: Path) -> None:
    """Make the state directory if need be.

    Raises:
        StoreRefused: it cannot be written to.
    """
    try:
        (state_dir / "runs").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=state_dir / "runs"):
            pass
    except OSError as error:
        raise StoreRefused(f"state_dir must be writable, got {state_dir}: {error.strerror}") from None


def lock_run(folder: Path) -> FileLock:
    """The lock of a run's folder, held: the run is ours until it is released or this process dies.

    Raises:
        Timeout: another process holds it.
        StoreError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise
    except OSError as error:
        raise StoreError(f"state_dir must be writable, got {folder}: {error.strerror}") from None
    return lock


def store_mark(uri: str) -> str:
    """Tells one store from another, whatever the credentials and however it is written, without writing it down."""
    return _hashed(place(uri))


def is_mark_of(mark: str, uri: str) -> bool:
    """Whether a mark is that of the store at this address; those of the version before held credentials, too."""
    if mark == store_mark(uri):
        return True
    given = tracking_uri(uri)
    user, password = (os.environ.get(f"MLFLOW_TRACKING_{name}", "") for name in ("USERNAME", "PASSWORD"))
    scheme, colon, rest = given.partition("://")
    written = [given, f"{scheme}{colon}{rest.rpartition('@')[2]}", f"{scheme}{colon}{user}:{password}@{rest}"]
    return mark in {_hashed(address + slash) for address in written for slash in ("", "/")}


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
