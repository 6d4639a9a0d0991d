"""The folder of a run on the disk of the node that trains it, brought back to the folder that all nodes share."""

__all__ = ["NodeFolder"]

import contextlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Self

from hit.delivery.journal import JOURNAL
from hit.delivery.local_state import LOCK, claim_run, run_folder, unlock_run
from hit.runs.resuming import CHECKPOINT
from hit.tracking.journal_completion import BEHIND

#: Bringing a run back takes at most this share of its time, and is not done more often than this.
_SHARE, _LEAST_SECONDS = 0.05, 2.0
#: What is not brought: the lock is that of a folder, the mark says of the shared one that it is a copy.
_STAYS = {LOCK, BEHIND}


class NodeFolder:
    """A state directory on a node's own disk with one run in it; the shared one is locked as long.

    Where nodes have a disk for a job, `$SLURM_TMPDIR` names it. A journal is written and flushed there, which a network
    file system does slowly; what it and the checkpoint come to is copied to the shared folder now and then, and in the
    end. Of a node that dies, the copy is what is left: it says so (`hit.tracking.journal_completion`).

    Args:
        state_dir: the shared one.
        run_id: the run.

    Raises:
        Claimed: on entering: another process writes to the run.
        StoreError: on entering: the shared folder cannot be written to.
    """

    def __init__(self, state_dir: Path, run_id: str) -> None:
        self._shared = run_folder(state_dir, run_id)
        self._run_id = run_id
        self._brought_at = 0.0
        self._took = 0.0

    def __enter__(self) -> Self:
        self._lock = claim_run(self._shared)
        self.state_dir = Path(tempfile.mkdtemp(prefix="hit-", dir=os.environ.get("SLURM_TMPDIR") or None))
        self._own = run_folder(self.state_dir, self._run_id)
        _copy(self._shared, self._own, set())
        if (self._shared / BEHIND).exists():
            (self._own / BEHIND).touch()
        (self._shared / BEHIND).touch()
        return self

    def bring_back(self) -> None:
        """Copy what has changed to the shared folder, unless that was done just now."""
        if time.monotonic() - self._brought_at < max(_LEAST_SECONDS, self._took / _SHARE):
            return
        began = time.monotonic()
        with contextlib.suppress(OSError):  # of a full disk, the end will tell
            _copy(self._own, self._shared, _STAYS)
        self._brought_at = time.monotonic()
        self._took = self._brought_at - began

    def __exit__(self, *exception: object) -> None:
        try:
            if self._own.exists():
                _copy(self._own, self._shared, _STAYS)
                if not (self._own / BEHIND).exists():
                    (self._shared / BEHIND).unlink(missing_ok=True)
            else:  # it has finished, and its store has everything
                _empty(self._shared)
            shutil.rmtree(self.state_dir, ignore_errors=True)
        finally:
            unlock_run(self._lock)


def _copy(source: Path, target: Path, kept: set[str]) -> None:
    """Make a folder as another one is, each file whole; checkpoints last, so that a journal is never behind one.

    Args:
        source: what is copied.
        target: what becomes the same.
        kept: names in it that stay.
    """
    target.mkdir(parents=True, exist_ok=True)
    files = [path.relative_to(source) for path in source.rglob("*") if path.is_file()]
    files = [file for file in files if file.name not in _STAYS and file.suffix != ".new"]
    last = [CHECKPOINT, JOURNAL]  # what has been sent is marked in a file of its own, which must not run ahead
    for file in sorted(files, key=lambda file: -last.index(file.name) + len(last) if file.name in last else 0):
        with contextlib.suppress(FileNotFoundError):  # it has been delivered meanwhile
            here, there = source / file, target / file
            if _same(here, there):
                continue
            there.parent.mkdir(parents=True, exist_ok=True)
            half = there.with_name(f"{there.name}.new")
            shutil.copy2(here, half)
            half.replace(there)
    for path in [path for path in target.rglob("*") if path.is_file()]:
        if path.relative_to(target) not in files and path.name not in kept:
            path.unlink(missing_ok=True)


def _same(here: Path, there: Path) -> bool:
    try:
        one, other = here.stat(), there.stat()
    except FileNotFoundError:
        return False
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != LOCK:
            path.unlink(missing_ok=True)
