"""The end of a run: waiting until its store has everything, and what to say where it does not get it."""

__all__ = ["Drain", "end_at_once"]

import contextlib
import math
import sys
import threading
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import RunTag

from hit.errors import Interrupted, StoreError
from hit.schema import Tag
from hit.stop import StopRequest

_SECONDS_WHEN_STOPPED, _SECONDS_WHEN_HURRIED = 20.0, 1.5
#: How long a delivery under way is waited for in the end.
_LAST_DELIVERY_SECONDS = 60.0


class Drain:
    """How long the store is waited for: without end, some seconds once somebody asked to stop, hardly any once more.

    Args:
        stop: told about by signals.
        run_id: the run.
        folder: where its journal lies.
    """

    def __init__(self, stop: StopRequest, run_id: str, folder: Path) -> None:
        self._stop = stop
        self._run_id = run_id
        self._folder = folder
        self._hurried_after = math.inf

    def keep_waiting(self, waited: float) -> bool:
        """Whether to wait on, after so many seconds; asked about twice a second."""
        if self._stop.hurried:
            self._hurried_after = min(self._hurried_after, waited)
            return waited - self._hurried_after < _SECONDS_WHEN_HURRIED
        if waited > 5 and int(waited * 2) % 60 == 10:  # tell twice a minute
            said = "waiting for the tracking server to take the last numbers; Ctrl-C leaves them on disk"
            print(said, file=sys.stderr, flush=True)
        return not self._stop.requested or waited < _SECONDS_WHEN_STOPPED

    @property
    def patience(self) -> float:
        """Seconds for what is being sent at this moment."""
        return _SECONDS_WHEN_HURRIED if self._stop.hurried else _LAST_DELIVERY_SECONDS

    def lacking(self, why: str) -> StoreError | Interrupted:
        """What to raise where the store lacks numbers; somebody who asked to stop has made no mistake."""
        line = (
            f"run {self._run_id} has numbers that its store lacks: {why or 'it did not answer in time'}; they are kept "
            f"in {self._folder} and delivered by the next command that uses this state_dir and store"
        )
        if not self._stop.requested:
            return StoreError(line)
        stopped = Interrupted(self._stop.signal_number)
        stopped.add_note(line)
        return stopped


def end_at_once(client: MlflowClient, run_id: str, status: str, reason: str) -> None:
    """Tell the store how a run ended before it has everything; for a moment, and only if it answers."""

    def tell() -> None:
        with contextlib.suppress(Exception):  # the journal holds it all the same
            client.log_batch(run_id, tags=[RunTag(Tag.STATUS_REASON, reason)])
            client.set_terminated(run_id, status=status)

    telling = threading.Thread(target=tell, daemon=True)
    telling.start()
    telling.join(_SECONDS_WHEN_HURRIED)
