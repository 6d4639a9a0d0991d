"""What a run leaves on this machine: a folder under the state directory, locked while a process writes to it."""

__all__ = [
    "LOCK",
    "claim_run",
    "is_mark_of",
    "lock_run",
    "make_writable",
    "run_folder",
    "state_folder",
    "store_mark",
    "unlock_run",
    "unwritable",
    "write_whole",
]

import contextlib
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from filelock import FileLock, Timeout

from hit.config import TrainConfig
from hit.config.paths import given_path
from hit.connection.addresses import place, tracking_uri
from hit.connection.store_errors import is_no_room
from hit.errors import Claimed, StoreRefused

#: Name of the lock file in a run's folder.
LOCK = "lock"
#: A disk with less room than this is full.
_LEAST_ROOM_BYTES = 65536


def state_folder(config: TrainConfig) -> Path:
    """Folder of journals and checkpoints: the config's, else $HIT_STATE_DIR, else .hit; ConfigError: out of reach."""
    return given_path("state_dir", config.state_dir or os.environ.get("HIT_STATE_DIR", "") or ".hit")


def run_folder(state_dir: Path, run_id: str) -> Path:
    """Where the journal and the checkpoint of a run lie."""
    return state_dir / "runs" / run_id


def make_writable(state_dir: Path) -> None:
    """Make the state directory if need be.

    Raises:
        StoreRefused: it cannot be written to, or the disk is full.
    """
    try:
        (state_dir / "runs").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=state_dir / "runs") as file:
            file.write(bytes(_LEAST_ROOM_BYTES))
    except OSError as error:
        raise unwritable(state_dir, error) from None


def unwritable(folder: Path, error: OSError) -> StoreRefused:
    """Why nothing can be written to a folder of ours, or to the file that the error names, as one line."""
    rule = "have room" if is_no_room(error) else "be writable"
    file = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else folder
    if is_no_room(error) and file.is_absolute() and not file.is_relative_to(folder):
        return StoreRefused(f"the disk must have room for {file}: {error.strerror or error}")
    return StoreRefused(f"state_dir must {rule}, got {folder}: {error.strerror or error}")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that whoever reads it finds the old contents or the new ones, also where the disk is full.

    Raises:
        OSError: it cannot be written.
    """
    half = path.with_name(f"{path.name}.new")
    try:
        half.write_bytes(data)
        half.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            half.unlink(missing_ok=True)
        raise


def lock_run(folder: Path) -> FileLock:
    """The lock of a run's folder, held: the run is ours until it is released or this process dies.

    Raises:
        Timeout: another process holds it.
        StoreError: the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK, timeout=0, thread_local=False)  # the runs of a block end in threads of their own
        lock.acquire()
    except Timeout:
        raise
    except OSError as error:
        raise unwritable(folder, error) from None
    return lock


def claim_run(folder: Path) -> FileLock:
    """The lock of a run's folder, as `lock_run` has it.

    Raises:
        Claimed: another process holds it.
        StoreError: the folder cannot be written to.
    """
    try:
        return lock_run(folder)
    except Timeout:
        raise Claimed(f"run {folder.name} is being written by another process ({folder} is locked)") from None


def unlock_run(lock: FileLock) -> None:
    """Give a run's lock back; a folder that holds nothing but the lock goes with it."""
    folder = Path(lock.lock_file).parent
    with contextlib.suppress(OSError):
        if {entry.name for entry in folder.iterdir()} <= {LOCK}:
            shutil.rmtree(folder)
    lock.release()


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
