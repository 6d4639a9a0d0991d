"""Whose a run is: tags that name its process and say that it is alive, written; `hit.store.run_liveness` reads them."""

__all__ = [
    "LOST",
    "Ownership",
    "deleted",
    "may_be_written",
    "ownership_tags",
    "remove_end",
    "take_over",
    "there",
]

import contextlib
import time

from mlflow import MlflowClient
from mlflow.entities import Run, RunTag
from mlflow.exceptions import MlflowException

from hit.connection.store_errors import translated
from hit.errors import Claimed, RunDeleted, StoreError, TakenOver
from hit.errors.run_outcomes import RunOutcome
from hit.processes.identity import pid_of, process_identity
from hit.schema import Tag
from hit.schema.endings import END_TAGS, recorded_outcome
from hit.ui.run_names import is_unnamed

#: Why a run ended whose process went without a word (tag `hit.status_reason`).
LOST = "lost: its process is gone"


def ownership_tags() -> dict[str, str]:
    """Tags that say that a run is this process's."""
    host, process = process_identity()
    return {str(Tag.HOST): host, str(Tag.PROCESS): process, str(Tag.HEARTBEAT): str(int(time.time()))}


def there(client: MlflowClient, run_id: str) -> Run:
    """A run that is to be taken over or added to.

    Raises:
        RunGone: it is not in the store; `RunDeleted`: somebody has deleted it.
        StoreError: the store does not answer.
    """
    try:
        return _not_deleted(client, run_id)
    except MlflowException as error:
        raise _not_taken_over(run_id, error) from None


def may_be_written(client: MlflowClient, run_id: str) -> None:
    """Return if the store lets us add to a run that has ended.

    Raises:
        StoreError: the store refuses, or does not answer.
    """
    try:
        client.set_tag(run_id, Tag.HEARTBEAT, ownership_tags()[Tag.HEARTBEAT])
    except MlflowException as error:
        raise _not_taken_over(run_id, error) from None


def take_over(client: MlflowClient, run: Run, name: str) -> None:
    """Make a run RUNNING and this process's own.

    Args:
        client: of its store.
        run: as it is in the store (`there`).
        name: for it, where nobody has named it.

    Raises:
        Claimed: it is FINISHED.
        StoreError: the store refuses, or does not answer.
    """
    run_id = run.info.run_id
    if run.info.status == "FINISHED":  # by another process, since somebody saw that it was not
        raise Claimed(f"run {run_id} is FINISHED already")
    try:
        # Whose it is now must stand there before RUNNING does, lest somebody take it for lost.
        client.log_batch(run_id, tags=[RunTag(key, value) for key, value in ownership_tags().items()])
        if run.info.status != "RUNNING" or is_unnamed(run):
            client.update_run(run_id, status="RUNNING", name=name if is_unnamed(run) else None)
    except MlflowException as error:
        raise _not_taken_over(run_id, error) from None


class Ownership:
    """What makes a run this process's own.

    Args:
        client: of the run's store.
        run_id: the run; its tags name this process.
    """

    def __init__(self, client: MlflowClient, run_id: str) -> None:
        self._client = client
        self._run_id = run_id
        self._host, self._process = process_identity()

    def beat(self) -> None:
        """Say that the run is alive, once it is clear that it is still ours.

        A process that was suspended for long may find that somebody has taken its run for lost: it takes it back.

        Raises:
            TakenOver: another process goes on with it.
            RunGone: it is not in the store; `RunDeleted`: somebody has deleted it.
            StoreError: the store refuses, or does not answer (`StoreAway`).
        """
        try:
            run = _not_deleted(self._client, self._run_id)
            tags = run.data.tags
            owner = tags.get(Tag.HOST, self._host), tags.get(Tag.PROCESS, self._process)
            if owner != (self._host, self._process) and pid_of(owner[1]):
                raise TakenOver(f"run {self._run_id} was taken for lost, and another process goes on with it")
            if run.info.status != "RUNNING":
                self._client.update_run(self._run_id, status="RUNNING")
            if recorded_outcome(tags, "FAILED") is RunOutcome.LOST:
                remove_end(self._client, self._run_id)
            missing = {key: value for key, value in ownership_tags().items() if key not in tags}
            alive = missing | {str(Tag.HEARTBEAT): str(int(time.time()))}
            self._client.log_batch(self._run_id, tags=[RunTag(key, value) for key, value in alive.items()])
        except MlflowException as error:
            raise translated(error) from None


def remove_end(client: MlflowClient, run_id: str) -> None:
    """Take back how a run ended: it has not. Tags that are not there, or not to be removed now, are no matter."""
    for tag in END_TAGS:
        with contextlib.suppress(MlflowException):
            client.delete_tag(run_id, tag)


def deleted(run_id: str) -> str:
    """What to tell of a run that was deleted while it was worked on."""
    return f"run {run_id} was deleted, or its experiment was (mlflow runs restore --run-id {run_id} brings a run back)"


def _not_deleted(client: MlflowClient, run_id: str) -> Run:
    run = client.get_run(run_id)
    if run.info.lifecycle_stage != "active":
        raise RunDeleted(deleted(run_id))
    return run


def _not_taken_over(run_id: str, error: MlflowException) -> StoreError:
    fault = translated(error)
    return type(fault)(f"run {run_id} cannot be taken over: {fault}")
