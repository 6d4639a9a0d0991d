"""The run in the store: params, metrics, tags, inputs, artifacts and how it ended."""

__all__ = ["RunWriter"]

import contextlib
import shutil
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout
from mlflow.exceptions import MlflowException

from hit import field_lengths, schema
from hit.connection import connect, experiment_id
from hit.delivery import Delivery
from hit.drain import Drain, end_at_once
from hit.endings import END_TAGS, Ending, end_tags, ending
from hit.errors import Claimed, Interrupted, RunGone, StoreError, TakenOver
from hit.experiments import Experiment
from hit.field_lengths import shortened
from hit.idempotent_creation import create_run
from hit.journal import Journal, Record
from hit.ownership import may_be_written, ownership_tags, take_over, there
from hit.provenance import packages, source_tags
from hit.redaction import redact
from hit.run_description import RunDescription
from hit.run_log import RunLog, metric_record, note_record, tag_record
from hit.schema import Kind, Tag
from hit.state import lock_run, make_writable, run_folder, unlock_run, unwritable
from hit.stop import StopRequest
from hit.store_errors import is_no_room
from hit.ui_views import prepare_page


class RunWriter(RunLog):
    """One run, from its first param to its end. A context manager: how the block ends is how the run ends.

    Normally: FINISHED; else as the error says (`hit.endings`), with the reason in a tag. `Claimed`: taken back, unless
    it was taken over. A run that is another process's by now, or deleted, is left alone.
    Everything goes through a journal on local disk, so that neither a crash nor a store that is away
    loses a number; leaving the block waits until the store has it all.

    Args:
        kind: what the run is.
        name: shown in the UI; a run that is taken over keeps the name that it has been given.
        state_dir: folder for journals and checkpoints.
        experiment: the experiment, or its name, for a new run.
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
        experiment: str | Experiment = schema.DEFAULT_EXPERIMENT,
        uri: str | None = None,
        run_id: str | None = None,
        amend: bool = False,
        parent: str | None = None,
        tags: Mapping[str, str] | None = None,
        stop: StopRequest | None = None,
    ) -> None:
        make_writable(state_dir)  # before there is a run that could be left behind
        self._client = connect(uri)
        self._asked_for = experiment
        self._stop = stop or StopRequest()
        self._closed = False
        self._amends = amend
        self._taken_over = run_id is not None
        all_tags: dict[str, str] = {
            Tag.KIND: kind,
            Tag.SCHEMA: schema.SCHEMA_VERSION,
            **ownership_tags(),
            Tag.PACKAGES: packages(),
            **({Tag.PARENT: parent} if parent else {}),
            **{key: shortened(value, field_lengths.TAG) for key, value in (tags or {}).items()},
        }
        self.run_id = ""
        #: Markdown for the UI, from how the run ended and why.
        self.note: Callable[[str, str], str] | None = None
        try:
            with self._stop.whole():
                self._open(shortened(name, field_lengths.NAME), state_dir, run_id, all_tags)
        except BaseException as error:
            self._abandon(error)
            raise

    @cached_property
    def experiment(self) -> Experiment:
        """The experiment that was asked for, by its id; made where there is none. A new run is in it."""
        return Experiment(str(self._asked_for), experiment_id(self._client, self._asked_for))

    @property
    def uri(self) -> str:
        """Address of the store that the run is in."""
        return str(self._client.tracking_uri)

    def check(self) -> None:
        """Return while nobody asked to stop, and the run is there and ours.

        Raises:
            Interrupted: somebody asked to stop.
            RunDeleted: somebody deleted the run.
            TakenOver: another process goes on with it, which took it for lost.
        """
        self._stop.check()
        self._delivery.check()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stop.whole(ends=True):
            try:
                self.end(ending(error))
            except (StoreError, Interrupted) as lacking:
                if error is None:
                    raise
                if not isinstance(lacking, RunGone | TakenOver):
                    for line in getattr(lacking, "__notes__", [str(lacking)]):
                        error.add_note(line)
            if isinstance(error, Claimed) and not isinstance(error, TakenOver) and not self._taken_over:
                self._withdraw()
        if isinstance(error, OSError) and is_no_room(error):
            refusal = unwritable(self.folder, error)
            for line in getattr(error, "__notes__", []):
                refusal.add_note(line)
            raise refusal from None

    def end(self, ended: Ending) -> None:
        """Tell the store how the run ended, wait until it knows, and release everything.

        Raises:
            RunDeleted, TakenOver: the run is not there any more, or not ours; it is left alone.
            Interrupted: somebody asked to stop before the store had everything.
            StoreError: the store lacks something; what it lacks is kept on disk.
        """
        if self._closed:
            return
        self._closed = True
        drain = Drain(self._stop)
        complete, lacks = False, ""
        try:
            self._delivery.check()
            self._delivery.stop_beating()
            lacks = self._delivery.finish(self._last_records(ended), drain)
            complete = not lacks and not self._delivery.refused
            if lacks and self._stop.hurried and self._delivery.trouble is None:
                end_at_once(self._client, self.run_id, ended)
            if lacks:
                self._delivery.check()
        except TakenOver:
            self._delivery.set_aside()
            raise
        finally:
            self._delivery.close(drain.patience)
            if complete and ended.status == "FINISHED":
                shutil.rmtree(self.folder, ignore_errors=True)
            unlock_run(self._lock)
        if lacks:
            raise drain.lacking(lacks)

    def _open(self, name: str, state_dir: Path, run_id: str | None, tags: dict[str, str]) -> None:
        """Make the run, or take it over, and begin to deliver."""
        known_params: set[str] = set()
        if run_id is None:
            run = create_run(self._client, self.experiment.id, name=name, tags=source_tags() | tags)
            self.run_id = run.info.run_id
            self._lock = lock_run(run_folder(state_dir, self.run_id))
        else:
            self._lock = _lock_existing(state_dir, run_id)
            run = there(self._client, run_id)
            if self._amends:  # whether we may shows before anything is measured
                may_be_written(self._client, run_id)
            else:
                take_over(self._client, run, name)
            self.run_id = run_id
            known_params = set(run.data.params)
            tags = {key: value for key, value in source_tags().items() if key not in run.data.tags} | tags
        with contextlib.suppress(Exception):  # the UI can do without; the next run tries again
            prepare_page(self._client, run.info.experiment_id)
        self.experiment_id: str = run.info.experiment_id
        self.folder = run_folder(state_dir, self.run_id)
        RunDescription.of(self._client, run, Kind(tags[Tag.KIND])).save(self.folder)
        delivery = Delivery(self._client, self.run_id, Journal(self.folder), heartbeat=not self._amends)
        super().__init__(delivery, self.folder, known_params, run.info.start_time)
        delivery.start()
        if self._taken_over and not self._amends:
            # How it ended before is no longer true; and whose it is stands there, and is not for the journal.
            self.untag(END_TAGS)
            self.tags({key: value for key, value in tags.items() if key not in ownership_tags()})

    def _abandon(self, error: BaseException) -> None:
        """Leave no run RUNNING that was not begun after all."""
        if hasattr(self, "_delivery"):
            self._delivery.close()
        if hasattr(self, "_lock"):
            unlock_run(self._lock)
        if self.run_id and not self._amends:
            end_at_once(self._client, self.run_id, ending(error))

    def _last_records(self, ended: Ending) -> list[Record]:
        now = time.time()
        if self._amends:  # nothing else tells readers that a run which has ended is not what it was (hit.history)
            return [metric_record("measured_at", now, step=int(now))]
        records: list[Record] = []
        reason = redact(ended.reason)
        if self.note is not None:
            records.append(note_record(self.note(ended.status, reason)))
        if ended.status == "FINISHED":  # somebody may have taken it for lost meanwhile
            records.append({"kind": "untag", "key": str(Tag.STATUS_REASON)})
        records += [tag_record(*tag) for tag in end_tags(ended.outcome, reason).items()]
        return [*records, {"kind": "status", "status": ended.status, "time": int(now * 1000)}]

    def _withdraw(self) -> None:
        """Take back a run that measured nothing, since another one does its work."""
        with contextlib.suppress(MlflowException):  # it stays, as KILLED with the reason
            self._client.delete_run(self.run_id)
        shutil.rmtree(self.folder, ignore_errors=True)


def _lock_existing(state_dir: Path, run_id: str) -> FileLock:
    folder = run_folder(state_dir, run_id)
    try:
        return lock_run(folder)
    except Timeout:
        raise Claimed(f"run {run_id} is being written by another process ({folder} is locked)") from None
