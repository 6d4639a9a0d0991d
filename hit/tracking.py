"""The run in the store: params, metrics, tags, inputs, artifacts and how it ended."""

__all__ = ["RunWriter"]

import contextlib
import json
import math
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout
from mlflow.exceptions import MlflowException

from hit import schema
from hit.connection import connect, experiment_id
from hit.delivery import Delivery
from hit.draining import Drain, end_at_once
from hit.endings import ending
from hit.errors import Claimed, Diverged, EndedEarly, Interrupted, RunDeleted, RunGone, StoreError, TakenOver
from hit.experiment_page import prepare_page
from hit.journal import Journal, Record
from hit.ownership import deleted, ownership_tags, take_over, there
from hit.provenance import packages, source_tags
from hit.schema import Kind, Tag
from hit.state import lock_run, make_writable, run_folder, store_mark
from hit.stop import StopRequest


class RunWriter:
    """One run, from its first param to its end. A context manager: how the block ends is how the run ends.

    Normally: FINISHED; else as the error says (`hit.endings`), with the reason in a tag. `Claimed`: taken back, unless
    it was taken over. A run that is another process's by now, or deleted, is left alone.
    Everything goes through a journal on local disk, so that neither a crash nor a store that is away
    loses a number; leaving the block waits until the store has it all.

    Args:
        kind: what the run is.
        name: shown in the UI; a run that is taken over keeps the name that it has been given.
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
        self._amends = amend
        all_tags: dict[str, str] = {
            Tag.KIND: kind,
            Tag.SCHEMA: schema.SCHEMA_VERSION,
            **ownership_tags(),
            Tag.PACKAGES: packages(),
            **({Tag.PARENT: parent} if parent else {}),
            **(tags or {}),
        }
        self.run_id = ""
        self._known_params: set[str] = set()
        self._taken_over = False
        #: Markdown for the UI, from how the run ended and why.
        self.note: Callable[[str, str], str] | None = None
        try:
            with self._stop.whole():
                self._open(name, state_dir, experiment, run_id, all_tags)
        except BaseException as error:
            self._abandon(error)
            raise

    def params(self, values: Mapping[str, Any]) -> None:
        """Log params. MLflow keeps the first value of a key: what `mlflow run` logged as typed stays."""
        self._append(
            {"kind": "param", "key": key, "value": str(value)}
            for key, value in values.items()
            if key not in self._known_params
        )
        self._known_params.update(values)

    def metrics(self, values: Mapping[str, float], step: int = 0, *, sync: bool = False) -> None:
        """Log declared metrics of one step; one that is not finite is left out.

        Raises:
            KeyError: a name is not declared in `hit.schema`.
        """
        now = int(time.time() * 1000)
        self._append(
            (
                {"kind": "metric", "key": schema.metric(key).name, "value": float(value), "step": step, "time": now}
                for key, value in values.items()
                if math.isfinite(value)
            ),
            sync=sync,
        )

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        self._append({"kind": "tag", "key": str(key), "value": str(value)} for key, value in values.items())

    def write_note(self, text: str, instead_of: str = "") -> None:
        """Set the run's note, in markdown, unless a person has written or edited it.

        Args:
            text: the note.
            instead_of: a note of ours that may stand there (`hit.names_and_notes.put_note`).
        """
        self._append([{"kind": "note", "text": text, "instead_of": instead_of}])

    def untag(self, names: Iterable[str]) -> None:
        """Remove tags, those that are there."""
        self._append([{"kind": "untag", "key": str(name)} for name in names])

    def dataset(self, name: str, digest: str, profile: Mapping[str, Any], context: str = "training") -> None:
        """Log the data set as the run's input."""
        self._append([{"kind": "input", "name": name, "digest": digest, "profile": dict(profile), "context": context}])

    def artifact(self, path: Path, folder: str = "") -> None:
        """Log a file; it must stay where it is until the run has ended (`self.folder` is the place for it)."""
        self._append([{"kind": "artifact", "path": str(path.absolute()), "folder": folder}])

    def json_artifact(self, name: str, value: Any, folder: str = "") -> None:
        """Log a value as a JSON file."""
        path = self.folder / name
        half = path.with_name(f"{name}.new")
        half.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")
        half.replace(path)  # whoever sends it now, sends a whole file
        self.artifact(path, folder)

    def image(self, path: Path, key: str) -> None:
        """Log a picture for the UI's image grid, where the pictures of this key of several runs stand side by side."""
        self._append([{"kind": "image", "path": str(path.absolute()), "key": key}])

    @property
    def uri(self) -> str:
        """Address of the store that the run is in."""
        return str(self._client.tracking_uri)

    @property
    def undelivered(self) -> str:
        """Why the store lacks numbers of this run, or '' if it lacks none that it could have."""
        if self._delivery.refused is not None:
            return f"the store refused them ({str(self._delivery.refused).splitlines()[0]})"
        return "the tracking server is away" if self._delivery.away_since else ""

    def check(self) -> None:
        """Return while nobody asked to stop, and the run is there and ours.

        Raises:
            Interrupted: somebody asked to stop.
            RunDeleted: somebody deleted the run.
            TakenOver: another process goes on with it, which took it for lost.
        """
        self._stop.check()
        self._assert_ours()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended = ending(error)
        tags: dict[str, str] = {Tag.STATUS_REASON: ended.reason} if ended.reason else {}
        if isinstance(error, Diverged):
            tags[Tag.DIVERGED] = "true"
        if isinstance(error, EndedEarly):
            tags[Tag.ENDED_EARLY] = "true"
        with self._stop.whole(ends=True):
            try:
                self.end(ended.status, tags)
            except (StoreError, Interrupted) as lacking:
                if error is None:
                    raise
                if not isinstance(lacking, RunGone | TakenOver):
                    for line in getattr(lacking, "__notes__", [str(lacking)]):
                        error.add_note(line)
            if isinstance(error, Claimed) and not isinstance(error, TakenOver) and not self._taken_over:
                self._withdraw()

    def end(self, status: str, tags: Mapping[str, str] | None = None) -> None:
        """Tell the store how the run ended, wait until it knows, and release everything.

        Raises:
            RunDeleted, TakenOver: the run is not there any more, or not ours; it is left alone.
            Interrupted: somebody asked to stop before the store had everything.
            StoreError: the store refuses some of it.
        """
        if self._closed:
            return
        self._closed = True
        drain = Drain(self._stop, self.run_id, self.folder)
        delivered = False
        try:
            self._assert_ours()
            self._delivery.stop_beating()
            self._append_end(status, dict(tags or {}))
            delivered = self._delivery.drain(drain.keep_waiting)
            if not delivered and self._stop.hurried and not self.undelivered:
                end_at_once(self._client, self.run_id, status, (tags or {}).get(Tag.STATUS_REASON, ""))
        except TakenOver:
            self._delivery.set_aside()
            raise
        finally:
            self._delivery.close(drain.patience)
            if delivered and status == "FINISHED":
                shutil.rmtree(self.folder, ignore_errors=True)
            self._lock.release()
        if not delivered:
            self._assert_ours()
            raise drain.lacking(self.undelivered)

    def _open(self, name: str, state_dir: Path, experiment: str, run_id: str | None, tags: dict[str, str]) -> None:
        """Make the run, or take it over, and begin to deliver."""
        if run_id is None:
            run = self._client.create_run(
                experiment_id(self._client, experiment), run_name=name, tags=source_tags() | tags
            )
            self.run_id = run.info.run_id
            self._lock = lock_run(run_folder(state_dir, self.run_id))
        else:
            self._lock = _lock_existing(state_dir, run_id)
            self._taken_over = True
            run = there(self._client, run_id)
            if not self._amends:
                take_over(self._client, run, name)
            self.run_id = run_id
            self._known_params = set(run.data.params)
            tags = {key: value for key, value in source_tags().items() if key not in run.data.tags} | tags
        prepare_page(self._client, run.info.experiment_id)
        self.experiment_id: str = run.info.experiment_id
        self.folder = run_folder(state_dir, self.run_id)
        (self.folder / "store").write_text(store_mark(self._client.tracking_uri))
        self._delivery = Delivery(self._client, self.run_id, Journal(self.folder), heartbeat=not self._amends)
        self._delivery.start()
        if self._taken_over and not self._amends:
            # How it ended before is no longer true; and whose it is stands there, and is not for the journal.
            self.untag((Tag.STATUS_REASON, Tag.DIVERGED, Tag.ENDED_EARLY))
            self.tags({key: value for key, value in tags.items() if key not in ownership_tags()})

    def _abandon(self, error: BaseException) -> None:
        """Leave no run RUNNING that was not begun after all."""
        if hasattr(self, "_delivery"):
            self._delivery.close()
        if hasattr(self, "_lock"):
            self._lock.release()
        if self.run_id and not self._amends:
            ended = ending(error)
            end_at_once(self._client, self.run_id, ended.status, ended.reason)

    def _append_end(self, status: str, tags: dict[str, str]) -> None:
        if self._amends:  # nothing else tells readers that a run which has ended is not what it was (hit.history)
            self.metrics({"measured_at": time.time()}, step=int(time.time()))
            return
        if self.note is not None:
            self.write_note(self.note(status, tags.get(Tag.STATUS_REASON, "")))
        if status == "FINISHED":  # somebody may have taken it for lost meanwhile
            self.untag([Tag.STATUS_REASON])
        self.tags(tags)
        self._append([{"kind": "status", "status": status, "time": int(time.time() * 1000)}], sync=True)

    def _assert_ours(self) -> None:
        match self._delivery.trouble:
            case TakenOver() as fault:
                raise fault
            case RunDeleted():
                raise RunDeleted(deleted(self.run_id))

    def _withdraw(self) -> None:
        """Take back a run that measured nothing, since another one does its work."""
        with contextlib.suppress(MlflowException):  # it stays, as KILLED with the reason
            self._client.delete_run(self.run_id)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _append(self, records: Iterator[Record] | list[Record], *, sync: bool = False) -> None:
        self._delivery.append(list(records), sync=sync)


def _lock_existing(state_dir: Path, run_id: str) -> FileLock:
    folder = run_folder(state_dir, run_id)
    try:
        return lock_run(folder)
    except Timeout:
        raise Claimed(f"run {run_id} is being written by another process ({folder} is locked)") from None
