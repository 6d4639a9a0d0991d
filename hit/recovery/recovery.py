"""What earlier processes left behind: numbers that the store lacks, and runs that say RUNNING and are not."""

__all__ = ["end_lost", "end_lost_here", "end_unstarted", "mark_lost", "recover"]

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from filelock import Timeout
from mlflow import MlflowClient
from mlflow.entities import Run, RunTag
from mlflow.exceptions import MlflowException

from hit.connection import connect
from hit.connection.store_errors import translated
from hit.delivery.journal import JOURNAL, Journal
from hit.delivery.local_state import lock_run
from hit.delivery.ownership import LOST, remove_end
from hit.errors import RunGone, StoreError
from hit.errors.redaction import redact
from hit.errors.run_outcomes import RunOutcome
from hit.recovery.undelivered import LocalRun, deliver_undelivered
from hit.schema import Kind, Tag
from hit.schema.endings import Ending, end_tags
from hit.schema.experiments import Experiment
from hit.store import Store
from hit.store.run_liveness import is_lost


def recover(state_dir: Path, experiment: str | Experiment, uri: str | None = None) -> None:
    """What every command does first: deliver what earlier processes left, then end the experiment's lost runs.

    Raises:
        StoreError: the store does not answer.
    """
    deliver_undelivered(state_dir, uri)
    end_lost(Store(uri), experiment)


def end_lost(store: Store, experiment: str | Experiment) -> int:
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


def end_lost_here(found: Iterable[LocalRun], client: MlflowClient) -> Iterator[Run]:
    """End the runs of folders of this machine that say RUNNING and have nobody behind them; each as it was.

    One whose journal knows how it ended is left for its delivery. What is not in the store is not ours to tell of.

    Raises:
        StoreError: the store refuses, or does not answer (`StoreAway`).
    """
    for local in found:
        if not local.belongs_to(client) or _knows_its_end(local):
            continue
        try:
            run = client.get_run(local.run_id)
        except MlflowException as error:
            fault = translated(error)
            if not isinstance(fault, RunGone):
                raise fault from None
            continue
        if run.info.lifecycle_stage == "active" and is_lost(run) and mark_lost(client, run):
            yield run


def _knows_its_end(local: LocalRun) -> bool:
    """Whether the journal of a run says how it ended, or a process writes to it."""
    if not (local.folder / JOURNAL).is_file():
        return False
    try:
        lock = lock_run(local.folder)
    except (Timeout, StoreError):
        return True
    try:
        with contextlib.closing(Journal(local.folder)) as journal:
            return bool(journal.unsent and journal.status)
    except StoreError:
        return True
    finally:
        lock.release()


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
        client.log_batch(run_id, tags=[RunTag(*tag) for tag in end_tags(RunOutcome.LOST, LOST).items()])
        client.set_terminated(run_id, status="FAILED")
        found = client.get_run(run_id)
        if found.data.tags.get(Tag.PROCESS) == run.data.tags.get(Tag.PROCESS) or found.info.status != "FAILED":
            return bool(found.info.status == "FAILED")
        client.update_run(run_id, status="RUNNING")
        remove_end(client, run_id)
        return False
    except MlflowException as error:
        fault = translated(error)
        if isinstance(fault, RunGone):
            return False
        raise fault from None


def end_unstarted(run_id: str, kind: Kind, ended: Ending) -> None:
    """End a run that `mlflow run` made for this process and that the process could not begin."""
    with contextlib.suppress(StoreError, MlflowException):  # the user is told the reason in any case
        client = connect()
        run = client.get_run(run_id)
        if run.info.status == "RUNNING":
            tags = end_tags(ended.outcome, redact(ended.reason)) | {str(Tag.KIND): str(kind)}
            client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
            if Tag.KIND not in run.data.tags:  # nobody has named it yet: its name is one of MLflow's fancies
                client.update_run(run_id, name=f"{kind} (not begun)")
            client.set_terminated(run_id, status=ended.status)
