"""The history that a driver decides on, read again and again: after the first time, only what has changed."""

__all__ = ["HistoryReader"]

import time
from collections.abc import Set
from typing import TYPE_CHECKING

import pandas as pd
from mlflow.entities import Run

from hit.config import flat_defaults
from hit.config.field_roles import is_layered, is_option
from hit.errors import StoreError
from hit.schema import DEFAULT_EXPERIMENT, SCHEMA_VERSION, Kind
from hit.schema.experiments import Experiment
from hit.store.filters import of_run_ids
from hit.store.frame_types import stack
from hit.store.records import BASE_COLUMNS
from hit.store.store import Store, to_frame

if TYPE_CHECKING:
    from hit.store.database import RunState

#: How far the clocks of two machines may differ before a run is seen late, at the next full reading.
CLOCK_MARGIN_SECONDS = 60.0
#: Everything is read again so often, and never for more than a thirtieth of the time.
FULL_READ_SECONDS = 600.0
_FULL_READ_SHARE = 30.0
#: Above this share of changed runs all are read again.
_MANY = 0.25
_INTEGERS = [name for name, default in flat_defaults().items() if type(default) is int]
_WORDS = [
    *(name for name in BASE_COLUMNS if not name.endswith("_time")),
    *(name for name, default in flat_defaults().items() if isinstance(default, (str, bool)) and not is_layered(name)),
]


class HistoryReader:
    """`Store.history` of one experiment, kept up to date.

    Where the store is a database, a later reading asks it which runs have changed, in whatever way, and reads those
    (`Store.states`). A server is asked for the runs that are RUNNING, those that have ended or were measured again
    since (by the times that other machines wrote: `CLOCK_MARGIN_SECONDS`), and those that were RUNNING at the last one,
    which may have ended otherwise or be gone. What changes without any of this (a run imported or deleted, a tag that
    somebody has set) is seen by the next full reading, which comes every `FULL_READ_SECONDS`, or when asked for.

    Args:
        store: the store.
        experiment: the experiment, or its name; once it is there, a new name of it is no matter.
        kind: only runs of this kind; None for all.
        where: only runs that match this filter in MLflow's language.
        sweep: only children of this sweep (its run id).

    Raises:
        StoreError: from `read`: the store does not answer (`StoreAway`), or its runs are of another schema.
    """

    def __init__(
        self,
        store: Store,
        experiment: str | Experiment = DEFAULT_EXPERIMENT,
        *,
        kind: Kind | None = Kind.TRAIN,
        where: str = "",
        sweep: str | None = None,
    ) -> None:
        self._store = store
        self._experiment = experiment
        self._kind = kind
        self._where = where
        self._sweep = sweep
        self._states: dict[str, RunState] = {}
        self._frame: pd.DataFrame | None = None
        self._running: set[str] = set()
        self._asked_at = 0.0
        self._full_at = 0.0
        self._full_cost = 0.0

    def read(self, *, full: bool = False) -> pd.DataFrame:
        """Every run, one typed row each, oldest first: `Store.history`, which see. Not to be changed by the caller.

        Args:
            full: read everything again.

        Raises:
            StoreError: the store does not answer (`StoreAway`), or holds runs of another schema.
        """
        self._experiment = self._store.experiment(self._experiment)
        states = self._store.states(self._experiment, where=self._where, kind=self._kind, sweep=self._sweep)
        if states is not None:
            return self._read_changed(states, full)
        now = time.time()
        due = now - self._full_at > max(FULL_READ_SECONDS, _FULL_READ_SHARE * self._full_cost)
        if full or due or self._frame is None:
            return self._read_all(now)
        since = self._asked_at - CLOCK_MARGIN_SECONDS
        changed = {run.info.run_id: run for run in self._runs("attributes.status = 'RUNNING'")}
        changed |= {run.info.run_id: run for run in self._runs(f"attributes.end_time >= {int(since * 1000)}")}
        changed |= {run.info.run_id: run for run in self._runs(f"metrics.measured_at >= {since:.3f}")}
        unaccounted = sorted(self._running - changed.keys())
        for where in of_run_ids(unaccounted):
            changed |= {run.info.run_id: run for run in self._runs(where)}
        self._asked_at = now
        gone = self._running - changed.keys()
        self._running = {run_id for run_id, run in changed.items() if run.info.status == "RUNNING"}
        self._frame = self._merged(self._frame, to_frame(list(changed.values())), gone)
        return self._frame

    def _read_changed(self, states: "dict[str, RunState]", full: bool) -> pd.DataFrame:
        changed = [run_id for run_id, state in states.items() if self._states.get(run_id) != state]
        if full or self._frame is None or len(changed) > _MANY * len(states):
            self._frame = self._read_history()
        else:
            gone = self._states.keys() - states.keys()
            news = self._store.history_of(self._experiment, changed) if changed else self._frame.iloc[:0]
            self._frame = self._merged(self._frame, news, gone)
        self._states = states  # asked for before the runs were read: what changes in between is read next time
        return self._frame

    def _read_all(self, now: float) -> pd.DataFrame:
        frame = self._read_history()
        self._running = set(frame.loc[frame["status"] == "RUNNING", "run_id"])
        self._asked_at = self._full_at = now
        self._full_cost = time.time() - now
        self._frame = frame
        return frame

    def _read_history(self) -> pd.DataFrame:
        frame = self._store.history(self._experiment, where=self._where, kind=self._kind, sweep=self._sweep)
        _check_schema(frame, self._experiment)
        return frame

    def _runs(self, where: str) -> list[Run]:
        both = " and ".join(filter(None, [self._where, where]))
        return list(self._store.runs(self._experiment, where=both, kind=self._kind, sweep=self._sweep))

    def _merged(self, frame: pd.DataFrame, news: pd.DataFrame, gone: Set[str]) -> pd.DataFrame:
        if not len(news) and not gone:
            return frame
        _check_schema(news, self._experiment)
        stale = frame["run_id"].isin({*news["run_id"], *gone})
        frame = stack([frame[~stale], news])
        frame = frame.sort_values(["start_time", "run_id"], kind="stable", ignore_index=True)
        return _as_if_read_at_once(frame)


def _check_schema(frame: pd.DataFrame, experiment: str | Experiment) -> None:
    others = frame.loc[frame["schema"].notna() & (frame["schema"] != SCHEMA_VERSION), ["run_id", "schema"]]
    if len(others):
        run_id, schema = others.iloc[0]
        raise StoreError(
            f"experiment must hold runs of schema {SCHEMA_VERSION} alone, got {str(experiment)!r} with run {run_id} "
            f"of schema {schema}: name another experiment, or use the version of hit that wrote it"
        )


def _as_if_read_at_once(frame: pd.DataFrame) -> pd.DataFrame:
    """The same rows with the columns, their order and their types as `to_frame` would have given them."""
    known = [*BASE_COLUMNS, *flat_defaults()]
    others = [str(name) for name in frame if name not in known]
    empty = frame[others].isna().all()
    kept = sorted(
        (name for name in others if not empty[name]), key=lambda name: (not is_layered(name), not is_option(name), name)
    )
    frame = frame[[*known, *kept]].copy()
    for name in _INTEGERS:
        if frame[name].isna().all():
            frame[name] = pd.Series([None] * len(frame), index=frame.index, dtype=object)
        elif frame[name].dtype == float and frame[name].notna().all():
            frame[name] = frame[name].astype("int64")
    for name in [*_WORDS, *filter(is_option, kept)]:
        if frame[name].dtype == object or frame[name].isna().all():
            frame[name] = pd.Series([None if pd.isna(value) else value for value in frame[name]], index=frame.index)
    return frame
