"""The run in the store: params, metrics, tags, inputs, artifacts and how it ended."""

__all__ = ["RunOptions", "RunWriter"]

import contextlib
import shutil
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Required, Self, TypedDict, Unpack

from filelock import FileLock

from hit.connection import connect
from hit.connection.store_errors import is_no_room
from hit.delivery import Delivery
from hit.delivery.drain import Drain, end_at_once
from hit.delivery.journal import Journal
from hit.delivery.local_state import claim_run, lock_run, make_writable, run_folder, unlock_run, unwritable
from hit.delivery.run_description import RunDescription
from hit.errors import Claimed, Interrupted, RunGone, StoreError, TakenOver
from hit.processes.stop import StopRequest
from hit.schema import DEFAULT_EXPERIMENT, Kind, Tag, field_lengths
from hit.schema.endings import END_TAGS, Ending, ending
from hit.schema.experiments import Experiment
from hit.schema.field_lengths import shortened
from hit.tracking.journal_completion import complete_journal
from hit.tracking.run_log import RunLog
from hit.tracking.run_start import AmendedRun, NewRun, Note, ResumedRun, RunStart
from hit.ui.views import prepare_page


class RunOptions(TypedDict, total=False):
    """What a run that is begun or taken over is given.

    Attributes:
        kind: what the run is.
        name: shown in the UI; a run that is taken over keeps the name that it has been given.
        state_dir: folder for journals and checkpoints.
        experiment: the experiment, or its name, for a new run, and for what the caller begins beside it.
        uri: the store; see `hit.connection.connect.tracking_uri`.
        parent: run id under which the UI nests this run.
        tags: further tags.
        stop: told about by SIGTERM and Ctrl-C; ends the waiting.
    """

    kind: Required[Kind]
    name: Required[str]
    state_dir: Required[Path]
    experiment: str | Experiment
    uri: str | None
    parent: str | None
    tags: Mapping[str, str] | None
    stop: StopRequest | None


class RunWriter(RunLog):
    """One run, from its first param to its end: `begin`, `take_over` or `amend` say which.

    A context manager: the store is not asked before the block is entered, and how the block ends is how the run ends.
    Normally: FINISHED; else as the error says (`hit.schema.endings`), with the reason in a tag. `Claimed`: taken back,
    unless it was taken over. A run that is another process's by now, or deleted, is left alone.
    Everything goes through a journal on local disk, so that neither a crash nor a store that is away
    loses a number; leaving the block waits until the store has it all.

    Raises:
        StoreError: on entering: the store does not answer, or the run does not exist; `Claimed`: another process is
            writing to it.
    """

    def __init__(self, start: RunStart, state_dir: Path, uri: str | None, stop: StopRequest | None) -> None:
        self._start = start
        self._state_dir = state_dir
        self._uri = uri
        self._stop = stop or StopRequest()
        self._lock: FileLock | None = None
        self._closed = False
        #: '' before the block is entered.
        self.run_id = ""
        #: Markdown for the UI, from how the run ended and why.
        self.note: Note | None = None

    @classmethod
    def begin(cls, **options: Unpack[RunOptions]) -> Self:
        """A new run."""
        return cls.begin_or_take_over(None, **options)

    @classmethod
    def take_over(cls, run_id: str, **options: Unpack[RunOptions]) -> Self:
        """A run that is in the store and has not FINISHED: `mlflow run` has made it, or it is gone on with."""
        return cls.begin_or_take_over(run_id, **options)

    @classmethod
    def begin_or_take_over(cls, run_id: str | None, **options: Unpack[RunOptions]) -> Self:
        """The run of this id, taken over; where there is no id, a new one."""
        tags = {str(key): value for key, value in (options.get("tags") or {}).items()}
        if parent := options.get("parent"):
            tags = {str(Tag.PARENT): parent} | tags
        name = shortened(options["name"], field_lengths.NAME)
        what = (options["kind"], name, options.get("experiment", DEFAULT_EXPERIMENT), tags)
        start = ResumedRun(*what, run_id=run_id) if run_id else NewRun(*what)
        return cls(start, options["state_dir"], options.get("uri"), options.get("stop"))

    @classmethod
    def amend(cls, run_id: str, *, state_dir: Path, uri: str | None = None, stop: StopRequest | None = None) -> Self:
        """A run that has ended, to be added to; its name and status stay, whatever happens here."""
        return cls(AmendedRun(run_id), state_dir, uri, stop)

    @cached_property
    def experiment(self) -> Experiment:
        """The experiment that was asked for, by its id; made where there is none. A new run is in it."""
        return self._start.experiment(self._client)

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
        assert not self.run_id, "a writer is entered once"
        make_writable(self._state_dir)  # before there is a run that could be left behind
        self._client = connect(self._uri)
        try:
            with self._stop.whole():
                self._open()
        except BaseException as error:
            self._abandon(error)
            raise
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
            claimed = isinstance(error, Claimed) and not isinstance(error, TakenOver)
            if claimed and self._start.withdraw(self._client, self.run_id):
                shutil.rmtree(self.folder, ignore_errors=True)
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
            lacks = self._delivery.finish(self._start.last_records(ended, self.note), drain)
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
            self._unlock()
        if lacks:
            raise drain.lacking(lacks)

    def _open(self) -> None:
        """Make the run, take it over or find it, and begin to deliver."""
        start = self._start
        if start.run_id:
            self._lock = claim_run(run_folder(self._state_dir, start.run_id))
        run = start.open(self._client)
        self.run_id = run.info.run_id
        self.folder = run_folder(self._state_dir, self.run_id)
        self._lock = self._lock or lock_run(self.folder)
        with contextlib.suppress(Exception):  # the UI can do without; the next run tries again
            prepare_page(self._client, run.info.experiment_id)
        self.experiment_id: str = run.info.experiment_id
        RunDescription.of(self._client, run, start.kind(run)).save(self.folder)
        journal = Journal(self.folder)
        complete_journal(journal, self._uri, self.run_id)
        delivery = Delivery(self._client, self.run_id, journal, heartbeat=start.is_owner)
        known_params = run.data.params if start.run_id else ()
        super().__init__(delivery, self.folder, known_params, run.info.start_time)
        delivery.start()
        if tags := start.tags_anew(run):
            self.untag(END_TAGS)
            self.tags(tags)

    def _abandon(self, error: BaseException) -> None:
        """Leave no run RUNNING that was not begun after all."""
        if hasattr(self, "_delivery"):
            self._delivery.close()
        self._unlock()
        if self.run_id and self._start.is_owner:
            end_at_once(self._client, self.run_id, ending(error))

    def _unlock(self) -> None:
        if self._lock is not None:
            unlock_run(self._lock)
