"""What a run leaves on this machine: a folder under the state directory, locked while a process writes to it."""

__all__ = ["lock_run", "make_writable", "run_folder", "store_mark"]

import hashlib
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

from hit.connection import tracking_uri
from hit.errors import StoreError


def run_folder(state_dir: Path, run_id: str) -> Path:
    """Where the journal and the checkpoint of a run lie."""
    return state_dir / "runs" / run_id


def make_writable(state_dir: Path) -> None:
    """Make the state directory if need be.

    Raises:
        StoreError: it cannot be written to.
    """
    try:
        (state_dir / "runs").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=state_dir / "runs"):
            pass
    except OSError as error:
        raise StoreError(f"state_dir must be writable, got {state_dir}: {error.strerror}") from None


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
    """Tells one store from another without writing down its address, which may hold a password."""
    return hashlib.sha256(tracking_uri(uri).encode()).hexdigest()[:16]
