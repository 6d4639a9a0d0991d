"""The tables behind a run store that is a database, read without MLflow's objects: fifty times less work.

MLflow's search makes an object of every param, metric and tag of every run: a minute and 500 MB for 10,000 runs.
Its tables and the meaning of its filters are MLflow's own (`mlflow.store.tracking`), so that both readings give
the same frame; where a version of MLflow has them elsewhere, or the database refuses, `hit.store` asks MLflow's
client instead.
"""

__all__ = ["Database", "RunState"]

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import sqlalchemy as sql
from mlflow.store.tracking.dbmodels import models
from mlflow.store.tracking.sqlalchemy_store import _get_sqlalchemy_filter_clauses
from mlflow.utils.search_utils import SearchUtils
from sqlalchemy.orm import Session

from hit.connection.addresses import is_database, sqlite_path
from hit.connection.reachability import engine_of, open_sqlite
from hit.schema import TAG_COLUMNS
from hit.store.records import Records

# Tables, not MLflow's classes: rows are tuples then, for a tenth of the work.
_RUNS, _TAGS, _PARAMS = (one.__table__.c for one in (models.SqlRun, models.SqlTag, models.SqlParam))
_LATEST, _LOGGED = (one.__table__.c for one in (models.SqlLatestMetric, models.SqlMetric))

#: Run ids in one question, whose answers are held at once.
_IDS_A_QUESTION = 500

#: What tells whether anything about a run has changed: its row, how many metrics, params and tags it has, and how new.
RunState = tuple[Any, ...]


class Database:
    """A database of MLflow's tables. Only ever read; an SQLite file is opened so that it cannot be written.

    Args:
        uri: as SQLAlchemy, and MLflow, take it.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: from every method: the database does not answer, or has other tables.
        mlflow.exceptions.MlflowException: from those with a filter: it is not understood.
    """

    def __init__(self, uri: str) -> None:
        path = sqlite_path(uri)
        self._engine = engine_of(uri) if path is None else open_sqlite(path)

    @staticmethod
    def reads(uri: str) -> bool:
        """Whether a store at this address is a database, rather than a server."""
        return is_database(uri)

    def records(self, experiment: str, where: str = "", run_ids: Sequence[str] | None = None) -> Records:
        """Every active run of an experiment (its id) that matches, oldest first.

        Args:
            experiment: id of the experiment.
            where: a filter in MLflow's language.
            run_ids: of these runs alone.
        """
        with Session(self._engine) as session:
            rows = self._matching(session, experiment, where, run_ids)
            place = {row[0]: number for number, row in enumerate(rows)}
            read = partial(_rows, session, list(place))
            tags: dict[str, list[str | None]] = {name: [None] * len(rows) for name in TAG_COLUMNS}
            names: list[str | None] = [row[1] for row in rows]
            column_of = {str(tag): column for column, tag in TAG_COLUMNS.items()}
            for run_id, key, text in read(_TAGS, _TAGS.value):
                if key in column_of:
                    tags[column_of[key]][place[run_id]] = text
                elif key == "mlflow.runName" and not names[place[run_id]]:
                    names[place[run_id]] = text
            params: dict[str, list[str | None]] = {}
            seen: dict[str, str] = {}  # most values are those of other runs, too
            for run_id, key, text in read(_PARAMS, _PARAMS.value):
                if key not in params:
                    params[key] = [None] * len(rows)
                params[key][place[run_id]] = seen.setdefault(text, text)
            metrics: dict[str, Any] = {}
            for run_id, key, value, is_nan in read(_LATEST, _LATEST.value, _number(_LATEST.is_nan)):
                if key not in metrics:
                    metrics[key] = np.full(len(rows), np.nan)
                metrics[key][place[run_id]] = np.nan if is_nan else value
        _, _, statuses, starts, ends = zip(*rows, strict=True) if rows else ((), (), (), (), ())
        info: dict[str, list[Any]] = {
            "run_id": list(place),
            "run_name": names,
            "experiment_id": [experiment] * len(rows),
            "status": list(statuses),
            "start_time": list(starts),
            "end_time": list(ends),
        }
        return Records(info, tags, params, metrics)

    def run_ids(self, experiment: str, where: str = "") -> list[str]:
        """Of every run that matches, oldest first; see `records`."""
        with Session(self._engine) as session:
            return [row[0] for row in self._matching(session, experiment, where, None)]

    def states(self, experiment: str, where: str = "") -> dict[str, RunState]:
        """Run id → what tells whether the run has changed, of every run that matches; see `records`."""
        shown = [str(tag) for tag in TAG_COLUMNS.values()]
        text = sql.func.sum(sql.func.length(_TAGS.value))
        with Session(self._engine) as session:
            rows = self._matching(session, experiment, where, None)
            numbers = (sql.func.count(), sql.func.max(_LATEST.timestamp), sql.func.max(_LATEST.step))
            questions = (
                _grouped(experiment, _LATEST, *numbers),
                _grouped(experiment, _PARAMS, sql.func.count()),
                _grouped(experiment, _TAGS, sql.func.count(), text).where(_TAGS.key.in_(shown)),
            )
            parts = [{row[0]: row[1:] for row in _answers(session, one)} for one in questions]
        return {row[0]: (*row[1:], *(part.get(row[0]) for part in parts)) for row in rows}

    def histories(self, run_ids: Sequence[str], names: Sequence[str]) -> Iterator[tuple[str, str, int, int, float]]:
        """(run id, metric, step, timestamp, value) of every value that was logged, in no order.

        Args:
            run_ids: of these runs.
            names: of these metrics.
        """
        columns = (_LOGGED.step, _LOGGED.timestamp, _LOGGED.value, _number(_LOGGED.is_nan))
        with Session(self._engine) as session:
            for *point, value, is_nan in _rows(session, run_ids, _LOGGED, *columns, keys=names):
                yield (*point, float("nan") if is_nan else value)

    def _matching(
        self, session: Session, experiment: str, where: str, run_ids: Sequence[str] | None
    ) -> list[tuple[Any, ...]]:
        parsed = SearchUtils.parse_search_filter(where)
        attributes, others, datasets = _get_sqlalchemy_filter_clauses(parsed, session, self._engine.dialect.name)
        columns = (_RUNS.run_uuid, _RUNS.name, _RUNS.status, _RUNS.start_time, _RUNS.end_time)
        chosen = sql.select(*columns).select_from(models.SqlRun)
        for clause in others:
            chosen = chosen.join(clause)
        for clause in datasets:
            chosen = chosen.join(clause, _RUNS.run_uuid == clause.c.destination_id)
        chosen = chosen.distinct().where(_active(experiment), *attributes)
        chosen = chosen.order_by(_RUNS.start_time, _RUNS.run_uuid)
        if run_ids is None:
            return [tuple(row) for row in session.execute(chosen).all()]
        found = [
            tuple(row)
            for some in _chunks(run_ids)
            for row in session.execute(chosen.where(_RUNS.run_uuid.in_(some))).all()
        ]
        return sorted(found, key=lambda row: (row[3], row[0]))


def _active(experiment: str) -> Any:
    return sql.and_(_RUNS.experiment_id == int(experiment), _RUNS.lifecycle_stage == "active")


def _rows(
    session: Session, ids: Sequence[str], table: Any, *columns: Any, keys: Sequence[str] | None = None
) -> Iterator[Any]:
    """(run id, key, …) of some runs. Each question is answered whole, so that writers to SQLite wait for none long."""
    chosen = sql.select(table.run_uuid, table.key, *columns)
    if keys is not None:
        chosen = chosen.where(table.key.in_(keys))
    for some in _chunks(ids):
        yield from _answers(session, chosen.where(table.run_uuid.in_(some)))


def _answers(session: Session, question: Any) -> Any:
    """All rows of an answer, as tuples.

    SQLite's own need no translation, and making SQLAlchemy's of them would take most of the time.
    """
    found: Any = session.execute(question)
    rows = found.cursor.fetchall() if session.get_bind().dialect.name == "sqlite" else found.all()
    found.close()
    return rows


def _number(flag: Any) -> Any:
    """A flag as the database holds it, which is quicker than as True or False."""
    return sql.type_coerce(flag, sql.Integer)


def _grouped(experiment: str, table: Any, *columns: Any) -> Any:
    own = sql.select(_RUNS.run_uuid).where(_active(experiment))
    return sql.select(table.run_uuid, *columns).where(table.run_uuid.in_(own)).group_by(table.run_uuid)


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for first in range(0, len(ids), _IDS_A_QUESTION):
        yield ids[first : first + _IDS_A_QUESTION]
