"""What a run has for its store, delivered in order; what the store refuses is put aside, and the rest goes on."""

__all__ = ["DeliveryQueue"]

import contextlib
import logging
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

from mlflow import MlflowClient

from hit.connection.addresses import sqlite_path
from hit.connection.store_errors import translated
from hit.delivery.journal import Journal, Record
from hit.delivery.ownership import deleted
from hit.delivery.refused_items import RefusedItems, described
from hit.delivery.sender import Refused, batch_of, send
from hit.errors import ItemRefused, RunDeleted, RunGone, StoreAway, StoreError
from hit.errors.redaction import redact
from hit.schema import SCHEMA_VERSION, Tag

_LOG = logging.getLogger(__name__)

_RECORDS_A_BATCH = 900
#: A store that answers and fails at the same records so often in a row is not away: it fails at them.
_FAILURES_BEFORE_DOUBT, _FAILURES = 3, 6
#: Of the items that were put aside, so many are tried in vain before the rest waits for another time.
_RETRIES_IN_VAIN = 3


class DeliveryQueue:
    """The journal of a run, and beside it the items that the store refused.

    Args:
        client: of the run's store.
        run_id: the run.
        journal: what to deliver.
    """

    def __init__(self, client: MlflowClient, run_id: str, journal: Journal) -> None:
        self.journal = journal
        self.refused = RefusedItems(journal.folder)
        self._client = client
        self._run_id = run_id
        self._limit = _RECORDS_A_BATCH
        self._failures = 0
        #: The batches (`hit.delivery.sender.batch_of`) of what the store failed at last.
        self._fails_at: set[str] = set()
        #: Files of a picture that the store has.
        self._done: set[str] = set()
        #: What the tag says; None where that is not known.
        self._tagged: str | None = None if self.refused.items else ""
        self._told = {why for _, why in self.refused.items}
        self._database = _identity(client)

    @property
    def in_doubt(self) -> bool:
        """Whether the store failed last time, and may do so at some item only."""
        return self._failures > 0

    def deliver(self) -> None:
        """Tell the store what it does not have yet.

        Raises:
            StoreAway: the store does not answer.
            StoreRefused: the store does not let us.
            RunGone: the store does not hold the run (any more); `RunDeleted`: somebody has deleted it.
        """
        with self._same_database():
            while self._deliver_batch():
                pass
            self._tag()

    def retry(self) -> None:
        """Try once more what was put aside.

        Raises:
            StoreRefused, RunGone: as `deliver`.
        """
        if not self.refused.items:
            return
        kept: Refused = []
        in_vain = 0
        for record, why in self.refused.items:
            if in_vain == _RETRIES_IN_VAIN:
                kept.append((record, why))
                continue
            try:
                kept += self._send([record])
            except StoreAway:
                in_vain += 1
                kept.append((record, why))
            except RunGone as error:
                raise self._found_gone(error) from None
        self.refused.replace(kept)
        self._tell(kept)
        self._tag()

    def ask(self, question: Callable[[], None]) -> None:
        """Ask the store something about the run, beside the journal.

        Args:
            question: asks it; raises errors of the store.

        Raises:
            StoreAway, StoreRefused, RunGone: as `deliver`; and what else the question raises.
        """
        with self._same_database():
            try:
                question()
            except Exception as error:
                raise self._found_gone(translated(error)) from None

    def tell_now(self, records: list[Record]) -> None:
        """Tell the store records that the journal has no room for.

        Raises:
            StoreAway, StoreRefused, RunGone: as `deliver`.
            ItemRefused: the store refuses one.
        """
        for record, why in self._send(records):
            raise ItemRefused(f"{described(record)}: {why}")

    def _deliver_batch(self) -> bool:
        pending = self.journal.peek(self._limit)
        for _, group in groupby(enumerate(pending), key=lambda item: batch_of(item[1][0]) or item[0]):
            records, marks = zip(*(pair for _, pair in group), strict=True)
            self._deliver_together(list(records))
            self.journal.mark_sent(marks[-1])
        return bool(pending)

    def _deliver_together(self, records: list[Record]) -> None:
        before = len(self._done)
        try:
            refused = self._send(records)
            self._fails_at -= {batch_of(records[0])}
        except RunGone as error:
            raise self._found_gone(error) from None
        except StoreAway as error:
            if len(self._done) > before:
                self._failures = 0
            if not self._is_stuck(records):
                raise
            self._fails_at.add(batch_of(records[0]))
            refused = [(records[0], f"the store fails at it: {error}")]
        self._failures = 0
        self._limit = min(_RECORDS_A_BATCH, self._limit * 8)
        self._done.clear()
        self._keep_refused(refused, records)

    def _send(self, records: list[Record]) -> Refused:
        return send(self._client, self._run_id, self.journal.folder, records, self._done)

    def _is_stuck(self, records: list[Record]) -> bool:
        """Whether a store that answers keeps failing at a single record; of several, fewer are tried from now on.

        A store that has failed at a record like this one is given less time.
        """
        self._failures += 1
        known = len(records) == 1 and batch_of(records[0]) in self._fails_at
        if self._failures < _FAILURES_BEFORE_DOUBT and not known:
            return False
        try:
            self._client.set_tag(self._run_id, Tag.SCHEMA, SCHEMA_VERSION)
        except Exception:  # it fails at everything
            self._failures = 0
            return False
        self._limit = max(1, len(records) // 8)
        return known or (len(records) == 1 and self._failures >= _FAILURES)

    def _keep_refused(self, refused: Refused, sent: list[Record]) -> None:
        if self.refused.items:  # a tag that was put aside, and has been set anew since, is of no interest
            keys = {record["key"] for record in sent if record["kind"] in ("tag", "untag")}
            items = [item for item in self.refused.items if item[0]["kind"] != "tag" or item[0]["key"] not in keys]
            if len(items) != len(self.refused.items):
                self.refused.replace(items)
        if refused:
            self.refused.add(refused)
            self._tell(refused)

    def _tell(self, refused: Refused) -> None:
        """A line for every new reason."""
        for record, why in refused:
            if why not in self._told:
                self._told.add(why)
                _LOG.warning(
                    f"run {self._run_id}: the store does not take the {described(record)}: {why}; it is put aside in "
                    f"{self.journal.folder}, the rest goes on"
                )

    def _tag(self) -> None:
        text = str(self.refused)
        if text == self._tagged:
            return
        try:
            if text:
                self._client.set_tag(self._run_id, Tag.UNDELIVERED, text)
            else:
                self._client.delete_tag(self._run_id, Tag.UNDELIVERED)
        except Exception as error:
            found = translated(error)
            if text or not isinstance(found, RunGone):  # without a text: there may be no such tag
                raise self._found_gone(found) from None
        self._tagged = text

    def _found_gone(self, error: StoreError) -> StoreError:
        """What an error that speaks of a run that is not there comes to."""
        if not isinstance(error, RunGone):
            return error
        try:
            info = self._client.get_run(self._run_id).info
            gone = "deleted" in (
                info.lifecycle_stage,
                self._client.get_experiment(info.experiment_id).lifecycle_stage,
            )
        except Exception as asked:
            found = translated(asked)
            if not isinstance(found, RunGone):
                return found
            return self._strange_store("it does not hold the run, so it came back empty or is another one")
        return RunDeleted(deleted(self._run_id)) if gone else StoreAway(str(error))

    def _strange_store(self, why: str) -> RunGone:
        self.journal.mark_sent(0)  # what the lost store had is not in the one that is there now
        return RunGone(
            f"the store at {redact(str(self._client.tracking_uri))} is not the one that the run began in: {why}"
        )

    @contextlib.contextmanager
    def _same_database(self) -> Iterator[None]:
        """A process that holds an SQLite file open goes on writing to it where somebody has removed or replaced it."""
        self._assert_same_database()
        try:
            yield
        except StoreError:
            self._assert_same_database()
            raise

    def _assert_same_database(self) -> None:
        if _identity(self._client) != self._database:
            raise self._strange_store("its file was removed or replaced")


def _identity(client: MlflowClient) -> tuple[int, int] | None:
    path: Path | None = sqlite_path(str(client.tracking_uri))
    with contextlib.suppress(OSError):
        if path is not None:
            found = path.stat()
            return found.st_dev, found.st_ino
    return None
