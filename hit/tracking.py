"""The run in the store: params, metrics, tags, inputs, artifacts and how it ended."""

__all__ = ["REASON_LENGTH", "RunWriter"]

import contextlib
import json
import math
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout
from mlflow.entities import RunTag
from mlflow.exceptions import MlflowException

from hit import schema
from hit.connection import connect, experiment_id
from hit.creation import create_run
from hit.delivery import Delivery
from hit.errors import Claimed, Diverged, EndedEarly, Interrupted, StoreError, UserError
from hit.experiment_page import prepare_page
from hit.experiments import Experiment
from hit.journal import Journal, Record
from hit.provenance import packages, source_tags
from hit.redaction import redact
from hit.schema import Kind, Tag
from hit.state import lock_run, make_writable, run_folder, store_mark
from hit.stop import StopRequest, process_identity
from hit.store_errors import translated

REASON_LENGTH = 500
_DRAIN_SECONDS_WHEN_STOPPED = 20.0


class RunWriter:
    """One run, from its first param to its end. A context manager: how the block ends is how the run ends.

    Normally: FINISHED. `Interrupted` and `EndedEarly`: KILLED. `Claimed`: taken back, unless it was taken over.
    Any other exception: FAILED. The reason stands in a tag.
    Everything goes through a journal on local disk, so that neither a crash nor a store that is away
    loses a number; leaving the block waits until the store has it all.

    Args:
        kind: what the run is.
        name: shown in the UI.
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
        self._known_params: set[str] = set()
        self._taken_over = False
        #: Markdown for the UI, from how the run ended and why.
        self.note: Callable[[str, str], str] | None = None
        if run_id is None:
            run = create_run(self._client, self.experiment.id, name=name, tags=source_tags() | all_tags)
            run_id = run.info.run_id
            self._lock = lock_run(run_folder(state_dir, run_id))
        else:
            self._lock = _lock_existing(state_dir, run_id)
            self._taken_over = True
            try:
                run = self._client.get_run(run_id)
                if not amend:
                    if run.info.status == "FINISHED":  # by another process, since somebody saw that it was not
                        self._lock.release()
                        raise Claimed(f"run {run_id} is FINISHED already")
                    # Whose it is now must stand there before RUNNING does, lest somebody take it for lost.
                    owner = [RunTag(key, all_tags[key]) for key in (Tag.HOST, Tag.PROCESS, Tag.HEARTBEAT)]
                    self._client.log_batch(run_id, tags=owner)
                    self._client.update_run(run_id, status="RUNNING", name=name)
                else:  # whether we may write to it shows before anything is measured
                    self._client.set_tag(run_id, Tag.HEARTBEAT, all_tags[Tag.HEARTBEAT])
            except MlflowException as error:
                self._lock.release()
                said = translated(error)
                raise type(said)(f"run {run_id} cannot be taken over: {said}") from None
            self._known_params = set(run.data.params)
            all_tags = {key: value for key, value in source_tags().items() if key not in run.data.tags} | all_tags
        prepare_page(self._client, run.info.experiment_id)
        self.run_id: str = run_id
        self.experiment_id: str = run.info.experiment_id
        self.folder = run_folder(state_dir, run_id)
        (self.folder / "store").write_text(store_mark(self._client.tracking_uri))
        self._delivery = Delivery(self._client, run_id, Journal(self.folder), heartbeat=not amend)
        self._delivery.start()
        if amend:
            return
        if self._taken_over:  # how it ended before is no longer true
            self.untag((Tag.STATUS_REASON, Tag.DIVERGED, Tag.ENDED_EARLY))
        self.tags(all_tags)

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

    @cached_property
    def experiment(self) -> Experiment:
        """The experiment that was asked for, by its id; made where there is none. A new run is in it."""
        return Experiment(str(self._asked_for), experiment_id(self._client, self._asked_for))

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

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        status, reason = _ending(error)
        tags: dict[str, str] = {Tag.STATUS_REASON: redact(reason)} if reason else {}
        if isinstance(error, Diverged):
            tags[Tag.DIVERGED] = "true"
        if isinstance(error, EndedEarly):
            tags[Tag.ENDED_EARLY] = "true"
        self.end(status, tags)
        if isinstance(error, Claimed) and not self._taken_over:
            self._withdraw()

    def end(self, status: str, tags: Mapping[str, str] | None = None) -> None:
        """Tell the store how the run ended, wait until it knows, and release everything."""
        if self._closed:
            return
        self._closed = True
        if self._amends:  # nothing else tells readers that a run which has ended is not what it was (hit.history)
            self.metrics({"measured_at": time.time()}, step=int(time.time()))
        else:
            ending = dict(tags or {})
            if self.note is not None:
                ending[Tag.NOTE] = self.note(status, ending.get(Tag.STATUS_REASON, ""))
            self.tags(ending)
            self._append([{"kind": "status", "status": status, "time": int(time.time() * 1000)}], sync=True)
        delivered = self._delivery.drain(self._keep_waiting)
        self._delivery.close()
        if delivered and status == "FINISHED":
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()
        if not delivered:
            why = self.undelivered or "it did not answer in time"
            raise StoreError(
                f"run {self.run_id} has numbers that its store lacks: {why}; they are kept in {self.folder} "
                "and delivered by the next command that uses this state_dir and store"
            )

    def _withdraw(self) -> None:
        """Take back a run that measured nothing, since another one does its work."""
        with contextlib.suppress(MlflowException):  # it stays, as KILLED with the reason
            self._client.delete_run(self.run_id)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _keep_waiting(self, waited: float) -> bool:
        if waited > 5 and int(waited * 2) % 60 == 10:  # about twice a second we are asked; tell twice a minute
            print("waiting for the tracking server to take the last numbers; Ctrl-C leaves them on disk", flush=True)
        return not self._stop.requested or waited < _DRAIN_SECONDS_WHEN_STOPPED

    def _append(self, records: Iterator[Record] | list[Record], *, sync: bool = False) -> None:
        self._delivery.append(list(records), sync=sync)


def _lock_existing(state_dir: Path, run_id: str) -> FileLock:
    folder = run_folder(state_dir, run_id)
    try:
        return lock_run(folder)
    except Timeout:
        raise Claimed(f"run {run_id} is being written by another process ({folder} is locked)") from None


def _ending(error: BaseException | None) -> tuple[str, str]:
    match error:
        case None:
            return "FINISHED", ""
        case Claimed():
            return "KILLED", f"claimed: {error}"
        case Interrupted() | KeyboardInterrupt() | EndedEarly():
            return "KILLED", str(error)[:REASON_LENGTH] or "interrupted"
        case Diverged():
            return "FAILED", f"diverged: {error}"[:REASON_LENGTH]
        case UserError():
            return "FAILED", str(error)[:REASON_LENGTH]
        case _:
            return "FAILED", f"{type(error).__name__}: {error}".splitlines()[0][:REASON_LENGTH]
