"""What earlier processes left in their journals: found, told, delivered, dropped."""

__all__ = ["LocalRun", "deliver", "deliver_undelivered", "drop", "find_local_runs"]

import contextlib
import logging
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout
from mlflow import MlflowClient

from hit.commands import program
from hit.connection import connect
from hit.connection.store_errors import translated
from hit.delivery.delivery_queue import DeliveryQueue
from hit.delivery.journal import JOURNAL, Journal
from hit.delivery.local_state import LOCK, is_mark_of, lock_run, unlock_run
from hit.delivery.run_description import RunDescription
from hit.errors import RunDeleted, RunGone, StoreAway, StoreError

_LOG = logging.getLogger(__name__)

#: A store that answers and fails at something is asked so often for it, with so long a pause.
_TRIES, _PAUSE_SECONDS = 40, 0.1
#: A folder that holds nothing but its lock, and is so old, belongs to nobody.
_EMPTY_FOR_SECONDS = 600.0


@dataclass(frozen=True)
class LocalRun:
    """The folder of a run that no process writes to.

    Attributes:
        folder: named by the run's id.
        description: what the run is.
    """

    folder: Path
    description: RunDescription

    @property
    def run_id(self) -> str:
        """Of the run."""
        return self.folder.name

    def belongs_to(self, client: MlflowClient) -> bool:
        """Whether the run began in the store that the client is of."""
        return is_mark_of(self.description.mark, client.tracking_uri)


def find_local_runs(state_dir: Path) -> Iterator[LocalRun]:
    """Every folder of a run that has a journal, by run id; also those that a process writes to now.

    Folders that hold nothing but a lock are removed on the way.
    """
    try:
        folders = sorted(Path(entry.path) for entry in os.scandir(state_dir / "runs"))
    except OSError:
        return
    for folder in folders:
        if os.path.exists(folder / JOURNAL):  # of a folder that cannot be read, nothing is known
            yield LocalRun(folder, RunDescription.read(folder))
        else:
            _remove_empty(folder)


def deliver_undelivered(state_dir: Path, uri: str | None = None) -> int:
    """Deliver what crashed or stopped processes left in their journals; how many runs that were.

    A journal that cannot be delivered is told in a line and stops nobody: its folder stays for the next command, or
    for `python -m hit.recover`. Runs of other stores are left alone in silence.

    Raises:
        StoreError: the store does not answer.
    """
    found = list(find_local_runs(state_dir))
    if not found:
        return 0
    client = connect(uri)
    delivered = 0
    for local in found:
        try:
            if local.belongs_to(client):
                delivered += deliver(local, client)
        except (Timeout, FileNotFoundError, RunDeleted):
            continue  # a run that is alive holds the lock; of one that somebody has deleted nobody wants to hear
        except StoreAway as error:
            _tell(local, error)
            break
        except Exception as error:  # nothing that a folder may hold stops a command
            _tell(local, translated(error))
    return delivered


def deliver(local: LocalRun, client: MlflowClient) -> bool:
    """Deliver one journal, and what was put aside beside it; whether there was anything to deliver.

    Its folder goes where the run has finished and the store has everything.

    Raises:
        Timeout: a process writes to it now.
        StoreError: the store does not take it.
    """
    lock = lock_run(local.folder)
    try:
        with contextlib.closing(Journal(local.folder)) as journal:
            queue = DeliveryQueue(client, local.run_id, journal)
            found = journal.unsent > 0
            before = len(queue.refused.items)
            _patiently(queue)
            queue.retry()
            if journal.status == "FINISHED" and not queue.refused.items:
                shutil.rmtree(local.folder, ignore_errors=True)
            return found or len(queue.refused.items) < before
    finally:
        unlock_run(lock)


def drop(local: LocalRun) -> None:
    """Remove the folder of a run, and what no store has of it.

    Raises:
        Timeout: a process writes to it now.
        StoreError: it cannot be removed.
    """
    lock = lock_run(local.folder)
    try:
        shutil.rmtree(local.folder)
    except OSError as error:
        raise StoreError(f"{local.folder} cannot be removed: {error.strerror}") from None
    finally:
        lock.release()


def _patiently(queue: DeliveryQueue) -> None:
    """Deliver; a store that is away is not waited for, one that fails at a single item is found out."""
    for attempt in range(1, _TRIES + 1):
        try:
            queue.deliver()
            break
        except StoreAway:
            if attempt == _TRIES or not queue.in_doubt:
                raise
            time.sleep(_PAUSE_SECONDS)


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError, Timeout, StoreError):
        names = {entry.name for entry in folder.iterdir()}
        if names == {LOCK} and time.time() - (folder / LOCK).stat().st_mtime > _EMPTY_FOR_SECONDS:
            unlock_run(lock_run(folder))


def _tell(local: LocalRun, error: StoreError) -> None:
    how = ""
    if isinstance(error, RunGone):
        how = f"; a new run is made of it by: {program('hit.recover')} --adopt {local.run_id}"
    _LOG.warning(f"run {local.run_id}: what its store lacks is still in {local.folder}: {error}{how}")
