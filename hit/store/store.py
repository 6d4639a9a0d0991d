"""The run store, read: typed, paged, a row a run. Nothing here writes."""

__all__ = ["Point", "Store", "is_lost", "to_frame"]

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from hit.config.field_types import MOST_CLAUSES, clauses
from hit.connection import connect, found_experiment
from hit.connection.store_errors import translated
from hit.errors import ConfigError, StoreAway, StoreError, StoreRefused, shown
from hit.errors.redaction import redact
from hit.schema import DEFAULT_EXPERIMENT, Kind, Tag
from hit.schema.experiments import Experiment
from hit.store.filters import of_run_ids, refusal
from hit.store.metric_history import Point, from_server, one_by_one
from hit.store.records import Records
from hit.store.run_liveness import is_lost
from hit.store.server_records import server_records

if TYPE_CHECKING:
    from hit.store.database import Database, RunState

AnswerT = TypeVar("AnswerT")

_PAGE = 1000


class Store:
    """A tracking server or an SQLite file.

    Args:
        uri: its address; see `hit.connection.connect.tracking_uri`.

    Raises:
        StoreError: it does not answer.
    """

    def __init__(self, uri: str | None = None) -> None:
        self.client = connect(uri)

    def history(
        self,
        experiment: str | Experiment = DEFAULT_EXPERIMENT,
        *,
        where: str = "",
        kind: Kind | None = Kind.TRAIN,
        sweep: str | None = None,
    ) -> pd.DataFrame:
        """Every matching run, one typed row each, oldest first; see `to_frame` for the columns.

        Args:
            experiment: its name, or itself; one that does not exist has no runs.
            where: a filter in MLflow's language (`metrics.beta_1 < 1 and params.model = 'ghvae'`).
            kind: only runs of this kind; None for all.
            sweep: only children of this sweep (its run id).

        Raises:
            StoreError: the filter is not understood, or the store does not answer (`StoreAway`).
        """
        return self._history(experiment, self._clauses(where, kind, sweep), about=where)

    def states(
        self, experiment: str | Experiment, *, where: str = "", kind: Kind | None = Kind.TRAIN, sweep: str | None = None
    ) -> "dict[str, RunState] | None":
        """What tells, run by run, whether `history` would find it changed; None where only reading it all tells.

        Raises:
            StoreError: the filter is not understood.
        """
        text = self._clauses(where, kind, sweep)
        home = self._home(experiment)
        return {} if home is None else self._from_tables(lambda tables: tables.states(home, text), about=where)

    def run_ids(self, experiment: str | Experiment, *, where: str, kind: Kind | None = Kind.TRAIN) -> list[str] | None:
        """Ids of the matching runs, oldest first, for little work, where the store is a database; else None."""
        home = self._home(experiment)
        text = self._clauses(where, kind, None)
        return [] if home is None else self._from_tables(lambda tables: tables.run_ids(home, text), about=where)

    def history_of(self, experiment: str | Experiment, run_ids: Sequence[str]) -> pd.DataFrame:
        """`history` of some runs, of whatever kind.

        Raises:
            StoreError: the store does not answer (`StoreAway`).
        """
        return self._history(experiment, "", run_ids)

    def histories(self, run_ids: Sequence[str], names: Sequence[str]) -> Iterator[Point]:
        """Every value that these runs logged of these metrics, in no order.

        A database is asked once for 500 runs, a server once a metric for 100 runs.

        Raises:
            StoreError: the store does not answer (`StoreAway`).
        """
        found = self._from_tables(lambda tables: list(tables.histories(run_ids, names)))
        if found is None:
            found = self._answer(partial(from_server, self.client, run_ids, names))
        if found is None:
            found = self._answer(partial(one_by_one, self.client, run_ids, names))
        yield from map(Point._make, found)

    def runs(
        self,
        experiment: str | Experiment = DEFAULT_EXPERIMENT,
        *,
        where: str = "",
        kind: Kind | None = Kind.TRAIN,
        sweep: str | None = None,
    ) -> Iterator[Run]:
        """The same as MLflow's own records, page by page."""
        home = self._home(experiment)
        if home is not None:
            yield from self._pages([home], self._clauses(where, kind, sweep), "start_time ASC", about=where)

    def classifiers(self, data_digest: str) -> list[Run]:
        """Finished classifiers of the data with this digest, of whatever experiment, newest first.

        Raises:
            StoreError: the store does not answer (`StoreAway`).
        """
        experiments = [found.id for found in self._experiments()]
        where = (
            f"tags.`{Tag.KIND}` = '{Kind.CLASSIFIER}' and tags.`{Tag.DATA_DIGEST}` = '{data_digest}' "
            "and attributes.status = 'FINISHED'"
        )
        return list(self._pages(experiments, where, "start_time DESC"))

    def experiment(self, experiment: str | Experiment) -> Experiment:
        """The experiment with its id, which it keeps when it is renamed; without one where there is none of its name.

        Raises:
            StoreError: it is deleted, or the store does not answer (`StoreAway`).
        """
        return self._answer(partial(found_experiment, self.client, experiment))  # type: ignore[no-any-return]

    def experiments(self) -> list[str]:
        """Names of all experiments that are not deleted.

        Raises:
            StoreError: the store does not answer.
        """
        return [found.name for found in self._experiments()]

    def _experiments(self) -> Iterator[Experiment]:
        token = None
        while token is None or token:
            page = self._answer(partial(self.client.search_experiments, page_token=token))
            yield from (Experiment(str(found.name), str(found.experiment_id)) for found in page)
            token = page.token or ""

    def run(self, run_id: str) -> Run:
        """One run.

        Raises:
            StoreError: there is none of this id; or the store does not answer (`StoreAway`), or refuses.
        """
        try:
            return self._answer(partial(self.client.get_run, run_id))
        except (StoreAway, StoreRefused):
            raise
        except StoreError:
            raise StoreError(f"run_id must be that of a run in the store, got {run_id!r}") from None

    def finished(self, run_id: str, kind: Kind, rule: str) -> Run:
        """A finished run of a kind, for an option that names one.

        Args:
            run_id: what the option says.
            kind: what it must be.
            rule: the option and what it must be, for messages (`surface must be the run id of a finished surface`).

        Raises:
            ConfigError: there is none of this id, or it is of another kind, or has not finished.
            StoreAway, StoreRefused: the store does not answer, or refuses.
        """
        try:
            run = self.run(run_id)
        except (StoreAway, StoreRefused):
            raise
        except StoreError:
            raise ConfigError(f"{rule}, got {run_id!r}, which the store does not know") from None
        found = run.data.tags.get(Tag.KIND)
        if found != kind or run.info.status != "FINISHED":
            raise ConfigError(f"{rule}, got {run_id!r}, of kind {found!r} and {run.info.status}")
        return run

    def download(self, run_id: str, artifact: str, folder: Path) -> Path:
        """A copy of a run's artifact under `folder`.

        Raises:
            StoreError: the run has no such artifact where the store says that it is, or the store does not answer
                (`StoreAway`).
        """
        try:
            return Path(self.client.download_artifacts(run_id, artifact, str(folder)))
        except Exception as error:
            said = translated(error)
            if isinstance(said, StoreAway):
                raise said from None
            place = redact(str(self.run(run_id).info.artifact_uri))
            hint = "; a store that was moved keeps the old place of its artifacts" if place.startswith("file:") else ""
            raise StoreError(
                f"run {run_id} must have the artifact {artifact!r}, looked for in {place}: {said}{hint}"
            ) from None

    @cached_property
    def _tables(self) -> "Database | None":
        """The database itself, where the store is one and MLflow has its tables where we know them."""
        try:
            from hit.store.database import Database  # loads the database part of MLflow, which a server's client lacks

            return Database(self.client.tracking_uri) if Database.reads(self.client.tracking_uri) else None
        except (ImportError, SQLAlchemyError):
            return None

    def _from_tables(self, ask: "Callable[[Database], AnswerT]", about: str = "") -> AnswerT | None:
        """What the database answers; None where MLflow's client has to be asked instead."""
        if (tables := self._tables) is None:
            return None
        try:
            return self._answer(partial(ask, tables), about)  # type: ignore[no-any-return]
        except (SQLAlchemyError, AttributeError, TypeError):  # other tables than those of the MLflow that is here
            return None

    def _history(
        self, experiment: str | Experiment, where: str, run_ids: Sequence[str] | None = None, about: str = ""
    ) -> pd.DataFrame:
        home = self._home(experiment)
        if home is None:
            return to_frame([])
        found = self._from_tables(lambda tables: tables.records(home, where, run_ids), about)
        filters = [where] if run_ids is None else of_run_ids(run_ids)
        if found is None:
            found = self._answer(partial(server_records, self.client, home, filters), about)
        if found is None:
            pages = (page for text in filters for page in self._lists([home], text, "start_time ASC", about))
            found = Records.joined([Records.of(page) for page in pages])
        return found.frame()

    def _home(self, experiment: str | Experiment) -> str | None:
        return self.experiment(experiment).id or None

    def _clauses(self, where: str, kind: Kind | None, sweep: str | None) -> str:
        if clauses(where) > MOST_CLAUSES:  # MLflow would take minutes, and databases refuse
            raise StoreError(f"where must have at most {MOST_CLAUSES} clauses, got {clauses(where)}: {shown(where)}")
        parts = [where] if where else []
        if kind is not None:
            parts.append(f"tags.`{Tag.KIND}` = '{kind}'")
        if sweep is not None:
            parts.append(f"tags.`{Tag.SWEEP}` = '{sweep}'")
        return " and ".join(parts)

    def _pages(self, experiments: Sequence[str], where: str, order: str, about: str = "") -> Iterator[Run]:
        for page in self._lists(experiments, where, order, about):
            yield from page

    def _lists(self, experiments: Sequence[str], where: str, order: str, about: str = "") -> Iterator[list[Run]]:
        search = partial(self.client.search_runs, experiments, where, max_results=_PAGE, order_by=[order])
        page = self._answer(search, about)
        yield page
        while page.token:
            page = self._answer(partial(search, page_token=page.token), about)
            yield page

    def _answer(self, ask: Callable[[], Any], about: str = "") -> Any:
        try:
            return ask()
        except MlflowException as error:
            said = translated(error)
            if about and type(said) is StoreError:
                raise StoreError(refusal(about, str(said))) from None
            raise said from None


def to_frame(runs: Sequence[Run]) -> pd.DataFrame:
    """A tidy frame, one row a run.

    Columns: run_id, run_name, experiment_id, status, start_time, end_time (UTC), kind, sweep, parent, amortised,
    config_hash, group, data_digest, evaluator, judge, inception, infeasible, ended, status_reason, schema, every field
    of the config with its type, and every metric under its schema name as float (NaN where the run lacks it). A param
    that `mlflow run` logged as typed ("1e-3") and one that we logged (0.001) read the same. β_l of a run with rate
    targets is the one that it ended with.
    """
    return Records.of(runs).frame()
