"""What a state directory holds that no store has, run by run, and what to do about it."""

__all__ = ["Stranded", "adopted", "choose", "delivered", "dropped", "find_stranded"]

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout
from mlflow import MlflowClient

from hit.adoption import adopt
from hit.aside import Aside
from hit.errors import ConfigError, RunGone, StoreError, nearest
from hit.journal import Journal, Record
from hit.leftovers import Leftover, deliver, drop, find_leftovers
from hit.state import lock_run
from hit.store_errors import translated

#: Kind of record → what people call it.
_WORDS = {"metric": "numbers", "artifact": "artifacts", "image": "artifacts", "param": "params"}


@dataclass(frozen=True)
class Stranded:
    """A run that some store lacks something of.

    Attributes:
        leftover: its folder.
        lacks: what, in words.
        why: it is not in the store, in words.
        unknown: whether the store that is there now does not hold the run.
    """

    leftover: Leftover
    lacks: str
    why: str
    unknown: bool = False

    @property
    def run_id(self) -> str:
        """Of the run."""
        return self.leftover.run_id

    def __str__(self) -> str:
        facts = self.leftover.facts
        where = facts.address or (f"store {facts.mark}" if facts.mark else "an unknown store")
        name = f"{facts.kind or 'run'} {facts.name!r}"
        why = f" ({self.why})" if self.why else ""
        return " ".join(f"{self.leftover.run_id} {name} of {where}: {self.lacks}{why}".split())


def find_stranded(state_dir: Path, client: MlflowClient | None) -> Iterator[Stranded]:
    """Every run of a state directory that its store lacks something of, by run id.

    Args:
        state_dir: the directory.
        client: of the store that is there now; None where it does not answer.
    """
    for leftover in find_leftovers(state_dir):
        try:
            found = _look(leftover, client)
        except Timeout:
            found = Stranded(leftover, "still being written", "a process writes to it now")
        except StoreError as error:
            found = Stranded(leftover, "cannot be read", str(error))
        if found is not None:
            yield found


def choose(found: Sequence[Stranded], option: str, which: str) -> list[Stranded]:
    """The runs that an option of the command names, those that began first first.

    Args:
        found: all of them.
        option: deliver, adopt or drop.
        which: run ids with commas, or all: of `adopt`, all that the store does not hold; of `deliver`, all others.

    Raises:
        ConfigError: an id is none of theirs.
    """
    ordered = sorted(found, key=lambda one: one.leftover.facts.started)
    if which == "all":
        return [one for one in ordered if option == "drop" or one.unknown == (option == "adopt")]
    named = [text.strip() for text in which.split(",") if text.strip()]
    known = [one.run_id for one in ordered]
    for run_id in named:
        if run_id not in known:
            raise ConfigError(
                f"{option} must name runs that a store lacks something of, got {run_id!r}{nearest(run_id, known)}"
            )
    return [one for one in ordered if one.run_id in named]


def delivered(one: Stranded, client: MlflowClient) -> str:
    """Deliver a run to its store; what came of it.

    Raises:
        Timeout: a process writes to it now.
        StoreError: the store does not take it.
    """
    deliver(one.leftover, client)
    left = str(Aside(one.leftover.folder)) if one.leftover.folder.exists() else ""
    if left:
        raise StoreError(f"delivered but for what the store does not take: {left}")
    return "delivered"


def adopted(one: Stranded, client: MlflowClient, experiment: str) -> str:
    """Make a new run of a run; its id, in words.

    Raises:
        Timeout: a process writes to it now.
        StoreError: the store does not take it.
    """
    return f"adopted as {adopt(one.leftover, client, experiment)}"


def dropped(one: Stranded) -> str:
    """Drop a run; what it was.

    Raises:
        Timeout: a process writes to it now.
        StoreError: its folder cannot be removed.
    """
    drop(one.leftover)
    return f"dropped: {one}"


def _look(leftover: Leftover, client: MlflowClient | None) -> Stranded | None:
    lock = lock_run(leftover.folder)
    try:
        with contextlib.closing(Journal(leftover.folder)) as journal:
            unsent, everything = [record for record, _ in journal.peek()], journal.records()
        aside = Aside(leftover.folder)
    finally:
        lock.release()
    why, unknown = _standing(leftover, client)
    if unknown:
        return Stranded(leftover, _count(everything, ""), why, unknown=True)
    lacks = [_count(unsent, ""), _count([record for record, _ in aside.items], " put aside")]
    if not any(lacks):
        return None
    return Stranded(leftover, ", ".join(filter(None, lacks)), "; ".join(filter(None, (why, str(aside)))))


def _standing(leftover: Leftover, client: MlflowClient | None) -> tuple[str, bool]:
    """Why a run is not in its store, and whether the store that is there now is its own and does not hold it."""
    if client is None:
        return "the store does not answer", False
    own = leftover.belongs_to(client)
    try:
        stage = client.get_run(leftover.run_id).info.lifecycle_stage
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
