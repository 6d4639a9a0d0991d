"""Carries a run's journal to the store while the run goes on, and waits for a store that is away."""

__all__ = ["HEARTBEAT_SECONDS", "Delivery"]

import contextlib
import logging
import threading
import time

from mlflow import MlflowClient

from hit.commands import program
from hit.connection.store_errors import translated
from hit.delivery.delivery_queue import DeliveryQueue
from hit.delivery.drain import Drain
from hit.delivery.journal import Journal, Record
from hit.delivery.ownership import Ownership
from hit.errors import RunDeleted, RunGone, StoreAway, StoreError, TakenOver
from hit.errors.redaction import redact

_LOG = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 15.0

#: What comes so soon after a delivery is sent with what comes after it: a batch costs as much as a short epoch may.
_SECONDS_BETWEEN_BATCHES = 1.0
_SHORTEST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 0.5, 10.0
#: What somebody has to mend is asked for again so seldom, as are items that were put aside.
_SECONDS_BETWEEN_RARE_TRIES = 60.0
#: Deliveries of one process that talk to its store at once: a database takes one after the other, and has a connection
#: for few. The runs of a block are many.
_AT_ONCE = threading.BoundedSemaphore(4)
_SECONDS_BETWEEN_TURNS = 0.5
#: Who has not said for so long that it is alive, with a store that answers, was suspended.
_SUSPENDED_SECONDS = 4 * HEARTBEAT_SECONDS


class Delivery(threading.Thread):
    """A background thread that empties a journal into a run and keeps the run's heart beating.

    Training only appends to the journal: a store that is away costs it nothing. A store that is away is asked again
    and again; one that refuses, or that does not hold the run, once a minute, and that is said at once, in one line;
    an item that is refused is put aside (`hit.delivery.delivery_queue`). A run that is no longer ours, or that
    somebody has deleted, ends the delivery. The journal stays on disk until the store has it.

    Args:
        client: of the run's store.
        run_id: the run.
        journal: what to deliver.
        heartbeat: whether to set the heartbeat tag while alive.
    """

    def __init__(self, client: MlflowClient, run_id: str, journal: Journal, *, heartbeat: bool = True) -> None:
        super().__init__(name=f"delivery-{run_id[:8]}", daemon=True)
        #: Why the store lacks what it lacks; None while all is well.
        self.trouble: StoreError | None = None
        self._trouble_since = 0.0
        self._told: type[StoreError] | None = None
        self._run_id = run_id
        self._store = f"the store at {redact(str(client.tracking_uri))}"
        self._journal = journal
        self._queue = DeliveryQueue(client, run_id, journal)
        self._ownership = Ownership(client, run_id) if heartbeat else None
        self._last_beat = time.time()  # by the clock: a process that was suspended has to ask whose the run is
        self._last_retry = time.monotonic()
        self._wake = threading.Event()
        self._stop_asked = threading.Event()
        self._hurry = threading.Event()
        self._retried_last = threading.Event()

    def check(self) -> None:
        """Return while the run is there and ours, or not known not to be.

        Raises:
            RunDeleted: somebody has deleted it.
            TakenOver: another process goes on with it, which took it for lost.
        """
        match self.trouble:
            case RunDeleted():
                raise RunDeleted(self._lacks())
            case TakenOver() as fault:
                raise TakenOver(str(fault))

    @property
    def refused(self) -> str:
        """The items that were put aside, with the reasons; '' where there are none."""
        return str(self._queue.refused)

    def append(self, records: list[Record], *, sync: bool = False) -> None:
        """Write records to disk and wake the delivery.

        Raises:
            StoreError: the disk is full, or cannot be written to.
        """
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
        if ownership is not None and silent > _SUSPENDED_SECONDS and self.trouble is None and self.is_alive():
            with contextlib.suppress(StoreAway):
                self._queue.ask(ownership.beat)

    def finish(self, records: list[Record], drain: Drain) -> str:
        """Write the last records, wait until the store has everything but what was put aside, and stop.

        A store that refuses is asked once more. Where the disk has no room for the last records, the store is told
        them directly.

        Args:
            records: how the run ended.
            drain: says how long to wait.

        Returns:
            Why the store lacks something, and where that is kept; '' where it lacks nothing.
        """
        unwritten: StoreError | None = None
        try:
            self.append(records, sync=True)
        except StoreError as error:
            unwritten = error
        self._drain(drain)
        lacks = ""
        if unwritten and not self._journal.unsent:
            try:
                self._queue.tell_now(records)
            except StoreError as error:
                lacks = f"its store does not know how it ended: {unwritten}; {error}"
        self.close(drain.patience)
        if self._journal.unsent:
            lacks = self._lacks()
        return f"run {self._run_id}: {lacks}" if lacks else ""

    @property
    def waits_for(self) -> str:
        """Since when the store has not answered, and why; '' where it does."""
        if not isinstance(self.trouble, StoreAway):
            return ""
        since = time.strftime("%H:%M:%S", time.localtime(self._trouble_since))
        return f"{self._store} has not answered since {since} ({self.trouble})"

    def _lacks(self) -> str:
        match self.trouble:
            case RunDeleted():
                command = f"{program('hit.recover')} --drop {self._run_id}"
                how = f"delivered if the run is restored, and dropped by: {command}"
            case RunGone():
                how = f"brought there as a new run by: {program('hit.recover')} --adopt {self._run_id}"
            case _:
                how = "delivered by the next command that uses this state_dir and store"
        why = self.waits_for or self.trouble or f"{self._store} has not answered in time"
        return f"{why}; what the store lacks is kept in {self._journal.folder}, and {how}"

    def _drain(self, drain: Drain) -> None:
        started = time.monotonic()
        self._hurry.set()
        while self.is_alive() and (self._journal.unsent or (self.refused and not self._retried_last.is_set())):
            why = self.waits_for or f"{self._store} is slow"
            if not drain.keep_waiting(time.monotonic() - started, why):
                break
            self._wake.set()
            time.sleep(0.02 if time.monotonic() - started < 1 else 0.5)

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
        wait = _SHORTEST_WAIT_SECONDS
        while not self._stop_asked.is_set():
            hurried = self._hurry.is_set()
            if not _AT_ONCE.acquire(timeout=_SECONDS_BETWEEN_TURNS):
                continue
            try:
                self._try()
            except Exception as error:
                self._note(translated(error))
            else:
                self._note(None)
            finally:
                _AT_ONCE.release()
            if self.trouble is None:
                wait = _SHORTEST_WAIT_SECONDS
                self._wake.wait(timeout=HEARTBEAT_SECONDS if self._ownership is not None or self.refused else None)
                self._hurry.wait(timeout=_SECONDS_BETWEEN_BATCHES)
                self._wake.clear()
            elif isinstance(self.trouble, StoreAway):
                self._stop_asked.wait(timeout=wait)
                wait = min(2 * wait, _LONGEST_WAIT_SECONDS)
            elif hurried or isinstance(self.trouble, RunDeleted | TakenOver):
                return  # that was the last try
            else:
                self._hurry.wait(timeout=_SECONDS_BETWEEN_RARE_TRIES)

    def _try(self) -> None:
        self._beat()  # first: a process that was suspended has to know whose the run is before it sends anything
        self._queue.deliver()
        last = self._hurry.is_set() and not self._retried_last.is_set()
        if last or time.monotonic() - self._last_retry > _SECONDS_BETWEEN_RARE_TRIES:
            self._last_retry = time.monotonic()
            self._queue.retry()
            if last:
                self._retried_last.set()

    def _beat(self) -> None:
        ownership = self._ownership
        if ownership is not None and abs(time.time() - self._last_beat) > HEARTBEAT_SECONDS - 1:
            self._queue.ask(ownership.beat)
            self._last_beat = time.time()

    def _note(self, found: StoreError | None) -> None:
        """Remember what is the matter; what will not pass by itself is said when it begins, and when it is over.

        That the run was deleted, `check` says.
        """
        if type(found) is not type(self.trouble):
            self._trouble_since = time.time()
        self.trouble = found
        if found is None:
            if self._told is not None:
                _LOG.info("run %s: the store takes its numbers again", self._run_id)
            self._told = None
        elif not isinstance(found, StoreAway | RunDeleted) and type(found) is not self._told:
            self._told = type(found)
            kept = f"what it measures is kept in {self._journal.folder}"
            goes_on = "" if isinstance(found, TakenOver) else "; the run goes on and asks again every minute"
            _LOG.warning("run %s: %s%s; %s", self._run_id, found, goes_on, kept)
