"""Carries a run's journal to the store, in order, and waits for a store that is away."""

__all__ = ["Delivery", "send"]

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any

import tenacity
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from PIL import Image

from hit.connection import is_permanent
from hit.errors import RunDeleted, RunGone, StoreAway, StoreError
from hit.journal import Journal, Record
from hit.names_and_notes import put_note
from hit.ownership import Ownership
from hit.store_errors import translated

HEARTBEAT_SECONDS = 15.0

#: What comes so soon after a delivery is sent with what comes after it: a batch costs as much as a short epoch may.
_SECONDS_BETWEEN_BATCHES = 1.0
_RECORDS_A_BATCH = 900
_PARAMS_A_BATCH = 100
_LONGEST_WAIT_SECONDS = 10.0
#: Who has not said for so long that it is alive, with a store that answers, was suspended.
_SUSPENDED_SECONDS = 4 * HEARTBEAT_SECONDS


def send(client: MlflowClient, run_id: str, records: Iterable[Record]) -> None:
    """Tell the store these records, in order; sending one twice does no harm.

    Raises:
        MlflowException: the store is away or refuses.
    """
    for kind, group in groupby(records, key=lambda record: _CHANNELS[record["kind"]]):
        kind(client, run_id, list(group))


class Delivery(threading.Thread):
    """A background thread that empties a journal into a run and keeps the run's heart beating.

    Training only appends to the journal: a store that is away costs it nothing. What the store refuses
    for good ends the delivery, with the reason in `refused`; the journal stays on disk. So does a run that is no
    longer ours, or no longer there (`Ownership.beat`).

    Args:
        client: of the run's store.
        run_id: the run.
        journal: what to deliver.
        heartbeat: whether to set the heartbeat tag while alive.
    """

    def __init__(self, client: MlflowClient, run_id: str, journal: Journal, *, heartbeat: bool = True) -> None:
        super().__init__(name=f"delivery-{run_id[:8]}", daemon=True)
        self.refused: BaseException | None = None
        self.away_since: float | None = None
        self._client = client
        self._run_id = run_id
        self._journal = journal
        self._ownership = Ownership(client, run_id) if heartbeat else None
        self._last_beat = time.time()  # by the clock: a process that was suspended has to ask whose the run is
        self._wake = threading.Event()
        self._stop_asked = threading.Event()
        self._hurry = threading.Event()
        self._lock = threading.Lock()

    @property
    def trouble(self) -> StoreError | None:
        """Why nothing is delivered any more; None while it is."""
        fault = None if self.refused is None else translated(self.refused)
        return RunDeleted(str(fault)) if type(fault) is RunGone else fault

    def append(self, records: list[Record], *, sync: bool = False) -> None:
        """Write records to disk and wake the delivery."""
        with self._lock:
            self._journal.append(records, sync=sync)
        self._wake.set()

    def stop_beating(self) -> None:
        """What is appended from here on ends the run: nobody has to hear that it is alive.

        A process that was suspended until just now asks a last time whose the run is.

        Raises:
            TakenOver, RunDeleted: it is another process's, or not there any more.
        """
        ownership, self._ownership = self._ownership, None
        silent = abs(time.time() - self._last_beat)
        if ownership is not None and silent > _SUSPENDED_SECONDS and self.away_since is None and self.is_alive():
            with contextlib.suppress(StoreAway):
                ownership.beat()

    def drain(self, keep_waiting: Callable[[float], bool]) -> bool:
        """Wait until the store has everything; whether it has.

        Args:
            keep_waiting: asked about twice a second with the seconds waited; False gives up.
        """
        started = time.monotonic()
        self._hurry.set()
        while self._journal.unsent and self.refused is None and self.is_alive():
            if not keep_waiting(time.monotonic() - started):
                break
            self._wake.set()
            time.sleep(0.02 if time.monotonic() - started < 1 else 0.5)
        return self._journal.unsent == 0

    def set_aside(self) -> None:
        """Nobody is to deliver the rest of the journal."""
        self._journal.set_aside()

    def close(self, patience: float = 60.0) -> None:
        """Stop, with what is delivered delivered and the rest on disk.

        Args:
            patience: seconds that a delivery under way is waited for.
        """
        self._stop_asked.set()
        self._hurry.set()
        self._wake.set()
        if self.is_alive():
            self.join(timeout=patience)
        self._journal.close()

    def run(self) -> None:
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda error: not _is_final(error)),
            wait=tenacity.wait_exponential(multiplier=0.5, max=_LONGEST_WAIT_SECONDS),
            stop=tenacity.stop_when_event_set(self._stop_asked),
            sleep=tenacity.sleep_using_event(self._stop_asked),
            before_sleep=self._note_absence,
            reraise=True,
        )
        while not self._stop_asked.is_set():
            try:
                attempts(self._deliver_pending)
                self.away_since = None
            except Exception as error:
                if _is_final(error):
                    self.refused = error
                return  # refused, or told to stop while the store was away
            self._wake.wait(timeout=HEARTBEAT_SECONDS if self._ownership is not None else None)
            self._hurry.wait(timeout=_SECONDS_BETWEEN_BATCHES)
            self._wake.clear()

    def _deliver_pending(self) -> None:
        while True:
            self._beat()
            with self._lock:
                records, mark = self._journal.peek(_RECORDS_A_BATCH)
            if not records:
                break
            send(self._client, self._run_id, records)
            with self._lock:
                self._journal.mark_sent(mark)

    def _beat(self) -> None:
        ownership = self._ownership
        if ownership is not None and abs(time.time() - self._last_beat) > HEARTBEAT_SECONDS - 1:
            ownership.beat()
            self._last_beat = time.time()

    def _note_absence(self, state: tenacity.RetryCallState) -> None:
        self.away_since = self.away_since or time.time()


def _is_final(error: BaseException) -> bool:
    return is_permanent(error) or (isinstance(error, StoreError) and not isinstance(error, StoreAway))


def _send_batch(client: MlflowClient, run_id: str, records: list[Record]) -> None:
    metrics = [Metric(r["key"], r["value"], r["time"], r["step"]) for r in records if r["kind"] == "metric"]
    params = [Param(r["key"], r["value"]) for r in records if r["kind"] == "param"]
    tags = [RunTag(r["key"], r["value"]) for r in records if r["kind"] == "tag"]
    if metrics:
        client.log_batch(run_id, metrics=metrics)
    for some_params in _chunks(params):
        client.log_batch(run_id, params=some_params)
    for some_tags in _chunks(tags):
        client.log_batch(run_id, tags=some_tags)


def _remove_tags(client: MlflowClient, run_id: str, records: list[Record]) -> None:
    for record in records:
        try:
            client.delete_tag(run_id, record["key"])
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise


def _chunks(items: list[Any]) -> Iterator[list[Any]]:
    for start in range(0, len(items), _PARAMS_A_BATCH):
        yield items[start : start + _PARAMS_A_BATCH]


def _send_inputs(client: MlflowClient, run_id: str, records: list[Record]) -> None:
    for record in records:
        dataset = Dataset(
            name=record["name"],
            digest=record["digest"],
            source_type="hit",
            source=json.dumps({"dataset": record["name"]}),
            profile=json.dumps(record["profile"]),
        )
        entry = DatasetInput(dataset, [InputTag("mlflow.data.context", record["context"])])
        for patience in (0.1, 0.3, 1.0, 0.0):
            try:
                client.log_inputs(run_id, [entry])
                break
            except MlflowException as error:
                # MLflow looks for the data set and then adds it: of two runs that begin at once one is refused.
                if not patience or not is_permanent(error):
                    raise
                time.sleep(patience)


def _send_artifacts(client: MlflowClient, run_id: str, records: list[Record]) -> None:
    for record in records:
        # A file that is gone was delivered before the mark could be written.
        with contextlib.suppress(FileNotFoundError):
            client.log_artifact(run_id, record["path"], record["folder"] or None)


def _send_images(client: MlflowClient, run_id: str, records: list[Record]) -> None:
    for record in records:
        with contextlib.suppress(FileNotFoundError), Image.open(record["path"]) as image:
            client.log_image(run_id, image, key=record["key"], step=0)


def _send_notes(client: MlflowClient, run_id: str, records: list[Record]) -> None:
    put_note(client, run_id, records[-1]["text"], records[-1]["instead_of"])


def _send_status(client: MlflowClient, run_id: str, records: list[Record]) -> None:
    client.set_terminated(run_id, status=records[-1]["status"], end_time=records[-1]["time"])


_CHANNELS: dict[str, Callable[[MlflowClient, str, list[Record]], None]] = {
    "metric": _send_batch,
    "param": _send_batch,
    "tag": _send_batch,
    "untag": _remove_tags,
    "input": _send_inputs,
    "artifact": _send_artifacts,
    "image": _send_images,
    "note": _send_notes,
    "status": _send_status,
}
