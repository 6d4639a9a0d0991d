"""What earlier processes left behind: numbers that the store lacks, and runs that say RUNNING and are not."""

__all__ = ["deliver_leftovers", "end_lost", "end_unstarted", "mark_lost", "recover"]

import contextlib
import shutil
from pathlib import Path

from filelock import Timeout
from mlflow import MlflowClient
from mlflow.entities import Run, RunTag
from mlflow.exceptions import MlflowException

from hit.connection import connect
from hit.delivery import send
from hit.endings import REASON_LENGTH
from hit.errors import RunGone, StoreError
from hit.journal import JOURNAL, Journal
from hit.ownership import LOST, is_lost
from hit.schema import Kind, Tag
from hit.state import lock_run, store_mark
from hit.store import Store
from hit.store_errors import translated


def recover(state_dir: Path, experiment: str, uri: str | None = None) -> None:
    """What every command does first: deliver leftovers, then end the experiment's lost runs.

    Raises:
        StoreError: the store does not answer.
    """
    deliver_leftovers(state_dir, uri)
    end_lost(Store(uri), experiment)


def deliver_leftovers(state_dir: Path, uri: str | None = None) -> int:
    """Deliver what crashed or stopped processes left in their journals; how many runs that were.

    Raises:
        StoreError: the store does not answer.
    """
    folders = [path.parent for path in (state_dir / "runs").glob(f"*/{JOURNAL}")]
    if not folders:
        return 0
    client = connect(uri)
    delivered = 0
    for folder in folders:
        with contextlib.suppress(Timeout, FileNotFoundError, MlflowException):
            if (folder / "store").read_text() == store_mark(client.tracking_uri):
                delivered += _deliver_leftover(client, folder)
    return delivered


def end_lost(store: Store, experiment: str) -> int:
    """End the runs of an experiment, of any kind, that say RUNNING and have nobody behind them; how many.

    Raises:
        StoreAway: the store does not answer.
    """
    ended = 0
    for run in store.runs(experiment, where="attributes.status = 'RUNNING'", kind=None):
        if is_lost(run):
            with contextlib.suppress(RunGone):  # somebody deletes it at this very moment
                run = store.run(run.info.run_id)
                ended += is_lost(run) and mark_lost(store.client, run)  # it may have been taken over since
    return ended


def mark_lost(client: MlflowClient, run: Run) -> bool:
    """End a run whose process is gone without a word; whether it has ended.

    Args:
        client: of its store.
        run: as it was when it was found to be lost. Where somebody has taken it over at this very moment, it goes on.

    Raises:
        StoreError: the store refuses, or does not answer (`StoreAway`).
    """
    run_id = run.info.run_id
    try:
        client.set_tag(run_id, Tag.STATUS_REASON, LOST)
        client.set_terminated(run_id, status="FAILED")
        found = client.get_run(run_id)
        if found.data.tags.get(Tag.PROCESS) == run.data.tags.get(Tag.PROCESS) or found.info.status != "FAILED":
            return bool(found.info.status == "FAILED")
        client.update_run(run_id, status="RUNNING")
        with contextlib.suppress(MlflowException):  # its new owner has removed the tag
            client.delete_tag(run_id, Tag.STATUS_REASON)
        return False
    except MlflowException as error:
        fault = translated(error)
        if isinstance(fault, RunGone):
            return False
        raise fault from None


def end_unstarted(run_id: str, kind: Kind, reason: str, status: str) -> None:
    """End a run that `mlflow run` made for this process and that the process could not begin."""
    with contextlib.suppress(StoreError, MlflowException):  # the user is told the reason in any case
        client = connect()
        run = client.get_run(run_id)
        if run.info.status == "RUNNING":
            tags = {Tag.STATUS_REASON: reason[:REASON_LENGTH], Tag.KIND: kind}
            client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
            if Tag.KIND not in run.data.tags:  # nobody has named it yet: its name is one of MLflow's fancies
                client.update_run(run_id, name=f"{kind} (not begun)")
            client.set_terminated(run_id, status=status)


def _deliver_leftover(client: MlflowClient, folder: Path) -> bool:
    with lock_run(folder):  # a run that is alive holds it
        with contextlib.closing(Journal(folder)) as journal:
            if not journal.unsent:
                return False
            while journal.unsent:
                records, mark = journal.peek(500)
                send(client, folder.name, records)
                journal.mark_sent(mark)
        if records[-1]["kind"] == "status" and records[-1]["status"] == "FINISHED":
            shutil.rmtree(folder, ignore_errors=True)
        return True
