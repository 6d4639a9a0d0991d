"""A journal that may lack what its run has logged since it was copied, completed from the store."""

__all__ = ["BEHIND", "complete_journal"]

import math

from hit.delivery.journal import Journal
from hit.store import Store

#: A file beside a journal that is a copy: the original was lost with its machine, and may have had more.
BEHIND = "journal.behind"


def complete_journal(journal: Journal, uri: str | None, run_id: str) -> None:
    """Take in every number that the store has of a run, where the journal is the copy of one that is lost.

    A run that goes on then logs no step twice. What is taken in is delivered once more, which changes nothing: a store
    knows a number by its step, its time and its value.

    Raises:
        StoreError: the store does not answer (`StoreAway`).
    """
    mark = journal.folder / BEHIND
    if not mark.exists():
        return
    store = Store(uri)
    names = sorted(store.run(run_id).data.metrics)
    journal.append(
        (
            {"kind": "metric", "key": point.metric, "value": point.value, "step": point.step, "time": point.timestamp}
            for point in store.histories([run_id], names)
            if math.isfinite(point.value)
        ),
        sync=True,
    )
    mark.unlink(missing_ok=True)
