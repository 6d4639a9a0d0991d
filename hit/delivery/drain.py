"""The end of a run: waiting until its store has everything, and what to say where it does not get it."""

__all__ = ["Drain", "end_at_once"]

import contextlib
import logging
import math
import threading

from mlflow import MlflowClient
from mlflow.entities import RunTag

from hit.errors import Interrupted, StoreError
from hit.errors.redaction import redact
from hit.processes.stop import StopRequest
from hit.schema.endings import Ending, end_tags

_SECONDS_BEFORE_FIRST_LINE, _SECONDS_BETWEEN_LINES = 5.0, 30.0
_SECONDS_WHEN_STOPPED, _SECONDS_WHEN_HURRIED = 20.0, 1.5
#: How long a delivery under way is waited for in the end.
_LAST_DELIVERY_SECONDS = 60.0
_LOG = logging.getLogger(__name__)


class Drain:
    """How long the store is waited for: without end, some seconds once somebody asked to stop, hardly any once more.

    Args:
        stop: told about by signals.
    """

    def __init__(self, stop: StopRequest) -> None:
        self._stop = stop
        self._hurried_after = math.inf
        self._tell_after = _SECONDS_BEFORE_FIRST_LINE

    def keep_waiting(self, waited: float, why: str) -> bool:
        """Whether to wait on; asked about twice a second.

        Args:
            waited: seconds so far.
            why: what is waited for, in words.
        """
        if self._stop.hurried:
            self._hurried_after = min(self._hurried_after, waited)
            return waited - self._hurried_after < _SECONDS_WHEN_HURRIED
        if waited > self._tell_after:
            self._tell_after = waited + _SECONDS_BETWEEN_LINES
            said = f"waiting: {why}; Ctrl-C leaves the last numbers on disk"
            _LOG.warning(said)
        return not self._stop.requested or waited < _SECONDS_WHEN_STOPPED

    @property
    def patience(self) -> float:
        """Seconds for what is being sent at this moment."""
        return _SECONDS_WHEN_HURRIED if self._stop.hurried else _LAST_DELIVERY_SECONDS

    def lacking(self, line: str) -> StoreError | Interrupted:
        """What to raise where the store lacks numbers; somebody who asked to stop has made no mistake.

        Args:
            line: which numbers, why, and where they are.
        """
        if not self._stop.requested:
            return StoreError(line)
        stopped = Interrupted(self._stop.signal_number)
        stopped.add_note(line)
        return stopped


def end_at_once(client: MlflowClient, run_id: str, ended: Ending) -> None:
    """Tell the store how a run ended before it has everything; for a moment, and only if it answers."""

    def tell() -> None:
        with contextlib.suppress(Exception):  # the journal holds it all the same
            tags = end_tags(ended.outcome, redact(ended.reason))
            client.log_batch(run_id, tags=[RunTag(*tag) for tag in tags.items()])
            client.set_terminated(run_id, status=ended.status)

    telling = threading.Thread(target=tell, daemon=True)
    telling.start()
    telling.join(_SECONDS_WHEN_HURRIED)
