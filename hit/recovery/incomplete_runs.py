"""What a state directory holds that no store has, run by run, and what to do about it."""

__all__ = ["IncompleteRun", "adopted", "choose", "delivered", "dropped", "find_incomplete"]

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout
from mlflow import MlflowClient

from hit.connection.store_errors import translated
from hit.delivery.journal import Journal, Record
from hit.delivery.local_state import lock_run
from hit.delivery.refused_items import RefusedItems
from hit.errors import ConfigError, RunGone, StoreError, nearest
from hit.recovery.adoption import adopt
from hit.recovery.undelivered import LocalRun, deliver, drop, find_local_runs

#: Kind of record → what people call it.
_WORDS = {"metric": "numbers", "artifact": "artifacts", "image": "artifacts", "param": "params"}


@dataclass(frozen=True)
class IncompleteRun:
    """A run that some store lacks something of.

    Attributes:
        local: its folder.
        lacks: what, in words.
        why: it is not in the store, in words.
        unknown: whether the store that is there now does not hold the run.
    """

    local: LocalRun
    lacks: str
    why: str
    unknown: bool = False

    @property
    def run_id(self) -> str:
        """Of the run."""
        return self.local.run_id

    def __str__(self) -> str:
        description = self.local.description
        where = description.address or (f"store {description.mark}" if description.mark else "an unknown store")
        name = f"{description.kind or 'run'} {description.name!r}"
        why = f" ({self.why})" if self.why else ""
        return " ".join(f"{self.local.run_id} {name} of {where}: {self.lacks}{why}".split())


def find_incomplete(state_dir: Path, client: MlflowClient | None) -> Iterator[IncompleteRun]:
    """Every run of a state directory that its store lacks something of, by run id.

    Args:
        state_dir: the directory.
        client: of the store that is there now; None where it does not answer.
    """
    for local in find_local_runs(state_dir):
        try:
            found = _look(local, client)
        except Timeout:
            found = IncompleteRun(local, "still being written", "a process writes to it now")
        except StoreError as error:
            found = IncompleteRun(local, "cannot be read", str(error))
        if found is not None:
            yield found


def choose(found: Sequence[IncompleteRun], option: str, which: str) -> list[IncompleteRun]:
    """The runs that an option of the command names, those that began first first.

    Args:
        found: all of them.
        option: deliver, adopt or drop.
        which: run ids with commas, or all: of `adopt`, all that the store does not hold; of `deliver`, all others.

    Raises:
        ConfigError: an id is none of theirs.
    """
    ordered = sorted(found, key=lambda one: one.local.description.started)
    if which == "all":
        return [one for one in ordered if option == "drop" or one.unknown == (option == "adopt")]
    named = [text.strip() for text in which.split(",") if text.strip()]
    known = [one.run_id for one in ordered]
    for run_id in named:
        if run_id not in known:
            hint = nearest(run_id, known) or "; there is none"
            raise ConfigError(f"{option} must name runs that a store lacks something of, got {run_id!r}{hint}")
    return [one for one in ordered if one.run_id in named]


def delivered(one: IncompleteRun, client: MlflowClient) -> str:
    """Deliver a run to its store; what came of it.

    Raises:
        Timeout: a process writes to it now.
        StoreError: the store does not take it.
    """
    deliver(one.local, client)
    left = str(RefusedItems(one.local.folder)) if one.local.folder.exists() else ""
    if left:
        raise StoreError(f"delivered but for what the store does not take: {left}")
    return "delivered"


def adopted(one: IncompleteRun, client: MlflowClient, experiment: str) -> str:
    """Make a new run of a run; its id, in words.

    Raises:
        Timeout: a process writes to it now.
        StoreError: the store does not take it.
    """
    return f"adopted as {adopt(one.local, client, experiment)}"


def dropped(one: IncompleteRun) -> str:
    """Drop a run; what it was.

    Raises:
        Timeout: a process writes to it now.
        StoreError: its folder cannot be removed.
    """
    drop(one.local)
    return f"dropped: {one}"


def _look(local: LocalRun, client: MlflowClient | None) -> IncompleteRun | None:
    lock = lock_run(local.folder)
    try:
        with contextlib.closing(Journal(local.folder)) as journal:
            unsent, everything = [record for record, _ in journal.peek()], journal.records()
        refused = RefusedItems(local.folder)
    finally:
        lock.release()
    why, unknown = _standing(local, client)
    if unknown:
        return IncompleteRun(local, _count(everything, ""), why, unknown=True)
    lacks = [_count(unsent, ""), _count([record for record, _ in refused.items], " put aside")]
    if not any(lacks):
        return None
    return IncompleteRun(local, ", ".join(filter(None, lacks)), "; ".join(filter(None, (why, str(refused)))))


def _standing(local: LocalRun, client: MlflowClient | None) -> tuple[str, bool]:
    """Why a run is not in its store, and whether the store that is there now is its own and does not hold it."""
    if client is None:
        return "the store does not answer", False
    own = local.belongs_to(client)
    try:
        stage = client.get_run(local.run_id).info.lifecycle_stage
    except Exception as error:
        found = translated(error)
        if not isinstance(found, RunGone):
            return str(found), False
        return ("the store that is there now does not hold the run" if own else "it is of another store"), own
    if stage == "deleted":
        return "somebody has deleted the run", False
    return "" if own else "it was begun under another address of the store", False


def _count(records: list[Record], how: str) -> str:
    """'40 numbers, 3 artifacts'; '' where there are none."""
    counts = Counter(_WORDS.get(record["kind"], "other records") for record in records)
    return ", ".join(f"{count} {words}{how}" for words, count in counts.items())
