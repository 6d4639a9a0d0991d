"""The run in the store: params, metrics, tags, inputs, artifacts and how it ended."""

__all__ = ["REASON_LENGTH", "RunWriter"]

import contextlib
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.entities import RunTag
from mlflow.exceptions import MlflowException

from hit import schema
from hit.connection import connect, experiment_id
from hit.delivery import Delivery
from hit.errors import (
    Claimed,
    Diverged,
    EndedEarly,
    Interrupted,
    RunDeleted,
    StoreError,
    UserError,
)
from hit.experiment_page import prepare_page
from hit.facts import RunFacts
from hit.journal import Journal, Record
from hit.provenance import packages, source_tags
from hit.run_log import RunLog, metric_record, tag_record
from hit.schema import Kind, Tag
from hit.state import lock_run, make_writable, run_folder, unlock_run, unwritable
from hit.stop import StopRequest, process_identity
from hit.store_errors import is_no_room

REASON_LENGTH = 500
_DRAIN_SECONDS_WHEN_STOPPED = 20.0
_SECONDS_BEFORE_FIRST_LINE, _SECONDS_BETWEEN_LINES = 5.0, 30.0


class RunWriter(RunLog):
    """One run, from its first param to its end. A context manager: how the block ends is how the run ends.

    Normally: FINISHED. `Interrupted` and `EndedEarly`: KILLED. `Claimed`: taken back, unless it was taken over.
    Any other exception: FAILED. The reason stands in a tag.
    Everything goes through a journal on local disk, so that neither a crash nor a store that is away
    loses a number; leaving the block waits until the store has it all.

    Args:
        kind: what the run is.
        name: shown in the UI.
        state_dir: folder for journals and checkpoints.
        experiment: name of the experiment, for a new run.
        uri: the store; see `hit.connection.tracking_uri`.
        run_id: take over this run instead of making one (`mlflow run` has made it, or it is resumed).
        amend: add to the run `run_id` that has ended; its name and status stay, whatever happens here.
        parent: run id under which the UI nests this run.
        tags: further tags, set when the run is made.
        stop: told about by SIGTERM and Ctrl-C; ends the waiting.

    Raises:
        StoreError: the store does not answer, or the run does not exist; `Claimed`: another process is writing to it.
    """

    def __init__(
        self,
        *,
        kind: Kind,
        name: str,
        state_dir: Path,
        experiment: str = schema.DEFAULT_EXPERIMENT,
        uri: str | None = None,
        run_id: str | None = None,
        amend: bool = False,
        parent: str | None = None,
        tags: Mapping[str, str] | None = None,
        stop: StopRequest | None = None,
    ) -> None:
        make_writable(state_dir)  # before there is a run that could be left behind
        self._client = connect(uri)
        self._stop = stop or StopRequest()
        self._closed = False
        self._tell_after = _SECONDS_BEFORE_FIRST_LINE
        self._amends = amend
        host, process = process_identity()
        all_tags: dict[str, str] = {
            Tag.KIND: kind,
            Tag.SCHEMA: schema.SCHEMA_VERSION,
            Tag.HOST: host,
            Tag.PROCESS: process,
            Tag.HEARTBEAT: str(int(time.time())),
            Tag.PACKAGES: packages(),
            **({Tag.PARENT: parent} if parent else {}),
            **(tags or {}),
        }
        known_params: set[str] = set()
        self._taken_over = False
        #: Markdown for the UI, from how the run ended and why.
        self.note: Callable[[str, str], str] | None = None
        if run_id is None:
            run = self._client.create_run(
                experiment_id(self._client, experiment), run_name=name, tags=source_tags() | all_tags
            )
            run_id = run.info.run_id
            try:
                self._lock = lock_run(run_folder(state_dir, run_id))
            except StoreError as error:
                _end_unbegun(self._client, run_id, error)
                raise
        else:
            self._lock = _lock_existing(state_dir, run_id)
            self._taken_over = True
            try:
                run = self._client.get_run(run_id)
                if not amend:
                    if run.info.status == "FINISHED":  # by another process, since somebody saw that it was not
                        unlock_run(self._lock)
                        raise Claimed(f"run {run_id} is FINISHED already")
                    # Whose it is now must stand there before RUNNING does, lest somebody take it for lost.
                    owner = [RunTag(key, all_tags[key]) for key in (Tag.HOST, Tag.PROCESS, Tag.HEARTBEAT)]
                    self._client.log_batch(run_id, tags=owner)
                    self._client.update_run(run_id, status="RUNNING", name=name)
            except MlflowException as error:
                unlock_run(self._lock)
                raise StoreError(f"run {run_id} cannot be taken over: {str(error).splitlines()[0]}") from None
            known_params = set(run.data.params)
            all_tags = {key: value for key, value in source_tags().items() if key not in run.data.tags} | all_tags
        with contextlib.suppress(Exception):  # the UI can do without; the next run tries again
            prepare_page(self._client, run.info.experiment_id)
        self.run_id: str = run_id
        self.experiment_id: str = run.info.experiment_id
        self.folder = run_folder(state_dir, run_id)
        delivery = self._begin_delivery(RunFacts.of(self._client, run, kind))
        super().__init__(delivery, self.folder, known_params, run.info.start_time)
        if amend:
            return
        if self._taken_over:  # how it ended before is no longer true
            self.untag((Tag.STATUS_REASON, Tag.DIVERGED, Tag.ENDED_EARLY))
        self.tags(all_tags)

    @property
    def uri(self) -> str:
        """Address of the store that the run is in."""
        return str(self._client.tracking_uri)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        status, reason = _ending(error)
        tags: dict[str, str] = {Tag.STATUS_REASON: reason} if reason else {}
        if isinstance(error, Diverged):
            tags[Tag.DIVERGED] = "true"
        if isinstance(error, EndedEarly):
            tags[Tag.ENDED_EARLY] = "true"
        with contextlib.suppress(StoreError) if isinstance(error, RunDeleted) else contextlib.nullcontext():
            self.end(status, tags)
        if isinstance(error, OSError) and is_no_room(error):
            raise unwritable(self.folder, error) from None
        if isinstance(error, Claimed) and not self._taken_over:
            self._withdraw()

    def end(self, status: str, tags: Mapping[str, str] | None = None) -> None:
        """Tell the store how the run ended, wait until it knows, and release everything.

        Raises:
            StoreError: the store lacks something; what it lacks is kept on disk.
        """
        if self._closed:
            return
        self._closed = True
        now = time.time()
        ending: list[Record] = []
        if self._amends:  # nothing else tells readers that a run which has ended is not what it was (hit.history)
            ending.append(metric_record("measured_at", now, step=int(now)))
        else:
            said = dict(tags or {})
            if self.note is not None:
                said[Tag.NOTE] = self.note(status, said.get(Tag.STATUS_REASON, ""))
            ending += [tag_record(key, value) for key, value in said.items()]
            ending.append({"kind": "status", "status": status, "time": int(now * 1000)})
        lacks = self._delivery.finish(ending, self._keep_waiting)
        if status == "FINISHED" and not lacks and not self._delivery.aside:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()
        if lacks:
            raise StoreError(lacks)

    def _withdraw(self) -> None:
        """Take back a run that measured nothing, since another one does its work."""
        with contextlib.suppress(MlflowException):  # it stays, as KILLED with the reason
            self._client.delete_run(self.run_id)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _keep_waiting(self, waited: float) -> bool:
        if waited > self._tell_after:
            self._tell_after = waited + _SECONDS_BETWEEN_LINES
            why = self._delivery.waits_for or "the store is slow"
            print(f"waiting: {why}; Ctrl-C leaves the last numbers on disk", file=sys.stderr, flush=True)
        return not self._stop.requested or waited < _DRAIN_SECONDS_WHEN_STOPPED

    def _begin_delivery(self, facts: RunFacts) -> Delivery:
        """The delivery, begun; where the disk has no room for it, the run ends at once.

        Raises:
            StoreError: the disk is full, or cannot be written to.
        """
        try:
            facts.save(self.folder)
            delivery = Delivery(self._client, self.run_id, Journal(self.folder), heartbeat=not self._amends)
        except StoreError as error:
            if not self._amends:
                _end_unbegun(self._client, self.run_id, error)
            unlock_run(self._lock)
            raise
        delivery.start()
        return delivery


def _lock_existing(state_dir: Path, run_id: str) -> FileLock:
    folder = run_folder(state_dir, run_id)
    try:
        return lock_run(folder)
    except Timeout:
        raise Claimed(f"run {run_id} is being written by another process ({folder} is locked)") from None


def _end_unbegun(client: MlflowClient, run_id: str, error: StoreError) -> None:
    """End a run that there is no room for on this machine."""
    with contextlib.suppress(Exception):  # the user is told the reason in any case
        client.set_tag(run_id, Tag.STATUS_REASON, str(error)[:REASON_LENGTH])
        client.set_terminated(run_id, status="FAILED")


def _ending(error: BaseException | None) -> tuple[str, str]:
    match error:
        case None:
            return "FINISHED", ""
        case Claimed():
            return "KILLED", f"claimed: {error}"
        case Interrupted() | KeyboardInterrupt() | EndedEarly() | RunDeleted():
            return "KILLED", str(error)[:REASON_LENGTH] or "interrupted"
        case Diverged():
            return "FAILED", f"diverged: {error}"[:REASON_LENGTH]
        case UserError():
            return "FAILED", str(error)[:REASON_LENGTH]
        case _:
            return "FAILED", f"{type(error).__name__}: {error}".splitlines()[0][:REASON_LENGTH]
