"""The history that a driver decides on, read again and again: after the first time, only what has changed."""

__all__ = ["HistoryReader"]

import time

import pandas as pd
from mlflow.entities import Run

from hit.config import flat_defaults
from hit.errors import StoreError
from hit.frames import stack
from hit.schema import DEFAULT_EXPERIMENT, SCHEMA_VERSION, Kind
from hit.store import BASE_COLUMNS, Store, is_layered, to_frame

#: How far the clocks of two machines may differ before a run is seen late, at the next full reading.
CLOCK_MARGIN_SECONDS = 60.0
#: Everything is read again so often, and never for more than a thirtieth of the time.
FULL_READ_SECONDS = 600.0
_FULL_READ_SHARE = 30.0
#: Run ids in one question; the address of a question to a server must not become too long.
_IDS_A_QUESTION = 100
_INTEGERS = [name for name, default in flat_defaults().items() if type(default) is int]
_WORDS = [
    *(name for name in BASE_COLUMNS if not name.endswith("_time")),
    *(name for name, default in flat_defaults().items() if isinstance(default, (str, bool)) and not is_layered(name)),
]


class HistoryReader:
    """`Store.history` of one experiment, kept up to date.

    A later reading asks for the runs that are RUNNING, those that have ended or were measured again since (by the
    times that other machines wrote: `CLOCK_MARGIN_SECONDS`), and those that were RUNNING at the last one, which
    may have ended otherwise or be gone. What changes without any of this (a run that was deleted, a tag that somebody
    has set) is seen by the next full reading, which comes every `FULL_READ_SECONDS`, or when asked for.

    Args:
        store: the store.
        experiment: name of the experiment.
        kind: only runs of this kind; None for all.

    Raises:
        StoreError: from `read`: the store does not answer (`StoreAway`), or its runs are of another schema.
    """

    def __init__(self, store: Store, experiment: str = DEFAULT_EXPERIMENT, *, kind: Kind | None = Kind.TRAIN) -> None:
        self._store = store
        self._experiment = experiment
        self._kind = kind
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
        now = time.time()
        due = now - self._full_at > max(FULL_READ_SECONDS, _FULL_READ_SHARE * self._full_cost)
        if full or due or self._frame is None:
            return self._read_all(now)
        since = self._asked_at - CLOCK_MARGIN_SECONDS
        changed = {run.info.run_id: run for run in self._runs("attributes.status = 'RUNNING'")}
        changed |= {run.info.run_id: run for run in self._runs(f"attributes.end_time >= {int(since * 1000)}")}
        changed |= {run.info.run_id: run for run in self._runs(f"metrics.measured_at >= {since:.3f}")}
        unaccounted = sorted(self._running - changed.keys())
        for first in range(0, len(unaccounted), _IDS_A_QUESTION):
            named = ", ".join(f"'{run_id}'" for run_id in unaccounted[first : first + _IDS_A_QUESTION])
            changed |= {run.info.run_id: run for run in self._runs(f"attributes.run_id IN ({named})")}
        self._asked_at = now
        gone = self._running - changed.keys()
        self._running = {run_id for run_id, run in changed.items() if run.info.status == "RUNNING"}
        self._frame = self._merged(self._frame, list(changed.values()), gone)
        return self._frame

    def _read_all(self, now: float) -> pd.DataFrame:
        runs = self._runs("")
        frame = to_frame(runs)
        _check_schema(frame, self._experiment)
        self._running = {run.info.run_id for run in runs if run.info.status == "RUNNING"}
        self._asked_at = self._full_at = now
        self._full_cost = time.time() - now
        self._frame = frame
        return frame

    def _runs(self, where: str) -> list[Run]:
        return list(self._store.runs(self._experiment, where=where, kind=self._kind))

    def _merged(self, frame: pd.DataFrame, changed: list[Run], gone: set[str]) -> pd.DataFrame:
        if not changed and not gone:
            return frame
        news = to_frame(changed)
        _check_schema(news, self._experiment)
        stale = frame["run_id"].isin({*news["run_id"], *gone})
        frame = stack([frame[~stale], news])
        frame = frame.sort_values(["start_time", "run_id"], kind="stable", ignore_index=True)
        return _as_if_read_at_once(frame)


def _check_schema(frame: pd.DataFrame, experiment: str) -> None:
    others = frame.loc[frame["schema"].notna() & (frame["schema"] != SCHEMA_VERSION), ["run_id", "schema"]]
    if len(others):
        run_id, schema = others.iloc[0]
        raise StoreError(
            f"experiment must hold runs of schema {SCHEMA_VERSION} alone, got {experiment!r} with run {run_id} "
            f"of schema {schema}: name another experiment, or use the version of hit that wrote it"
        )


def _as_if_read_at_once(frame: pd.DataFrame) -> pd.DataFrame:
    """The same rows with the columns, their order and their types as `to_frame` would have given them."""
    known = [*BASE_COLUMNS, *flat_defaults()]
    others = [str(name) for name in frame if name not in known]
    empty = frame[others].isna().all()
    kept = sorted((name for name in others if not empty[name]), key=lambda name: (not is_layered(name), name))
    frame = frame[[*known, *kept]].copy()
    for name in _INTEGERS:
        if frame[name].dtype == float and frame[name].notna().all():
            frame[name] = frame[name].astype("int64")
    for name in _WORDS:
        if frame[name].dtype == object or frame[name].isna().all():
            frame[name] = pd.Series([None if pd.isna(value) else value for value in frame[name]], index=frame.index)
    return frame
