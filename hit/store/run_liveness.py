"""Whether a run that says RUNNING has a process behind it, by the tags that name one: all that a reader needs."""

__all__ = ["LOST_AFTER_SECONDS", "is_lost"]

import math
import time

from mlflow.entities import Run

from hit.processes.identity import is_running, pid_of, process_identity
from hit.schema import Tag

#: A run of another machine whose heart has not beaten for so long is lost.
LOST_AFTER_SECONDS = 600.0
#: Clocks of machines differ by less; a heartbeat later than that has been typed by somebody.
_LATEST_SECONDS = 86400.0


def is_lost(run: Run, now: float | None = None) -> bool:
    """Whether a run that says RUNNING has nobody behind it any more.

    On this machine its process tells; for others, and where the tag names no process, a heart that has stopped. A
    run with neither tag is not ours to judge.
    """
    tags = run.data.tags
    if run.info.status != "RUNNING" or not {Tag.PROCESS, Tag.HEARTBEAT} & tags.keys():
        return False
    named = tags.get(Tag.PROCESS, "")
    if pid_of(named) and tags.get(Tag.HOST) == process_identity()[0]:
        return not is_running(named)
    now = time.time() if now is None else now
    try:
        beat = float(tags.get(Tag.HEARTBEAT, "0"))
    except ValueError:
        beat = 0.0
    if not math.isfinite(beat) or beat > now + _LATEST_SECONDS:
        beat = 0.0
    return now - beat > LOST_AFTER_SECONDS
