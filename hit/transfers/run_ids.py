"""Which run of a target holds a run of another store: the one of the same id, or the one whose tag names it."""

__all__ = ["RunIds"]

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sql
from mlflow import MlflowClient
from mlflow.entities import Run, RunStatus
from mlflow.store.tracking.dbmodels.models import SqlRun
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME, MLFLOW_USER
from mlflow.utils.uri import append_to_uri_path

from hit.connection.addresses import is_database
from hit.connection.idempotent_creation import made_once
from hit.connection.reachability import engine_of
from hit.connection.store_errors import translated
from hit.errors import RunGone, StoreError
from hit.schema import Tag

_PAGE = 1000


class RunIds:
    """Ids of the source's runs in an experiment of the target.

    A database takes a run under its own id. A server gives ids itself: the tag
    `hit.transferred_from` holds the old one.

    Args:
        client: of the target.
        home: id of its experiment.

    Raises:
        StoreError: the target does not answer.
    """

    def __init__(self, client: MlflowClient, home: str) -> None:
        self._client, self._home = client, home
        self._keeps_ids = is_database(str(client.tracking_uri))
        self._known: dict[str, str] = {}
        token: str | None = ""
        while token is not None:
            page = client.search_runs(
                [home], f"tags.`{Tag.TRANSFERRED_FROM}` != ''", max_results=_PAGE, page_token=token or None
            )
            self._known |= {run.data.tags[Tag.TRANSFERRED_FROM]: run.info.run_id for run in page}
            token = page.token or None

    def __getitem__(self, old: str) -> str:
        """The id in the target; the old one of a run that is not there."""
        return self._known.get(old, old)

    def recognise(self, runs: Iterable[Run]) -> None:
        """Learn which of the source's runs came from the target itself.

        Raises:
            StoreError: the target does not answer.
        """
        for run in runs:
            old, origin = str(run.info.run_id), run.data.tags.get(Tag.TRANSFERRED_FROM, "")
            if origin not in ("", old) and old not in self._known and self._get(origin) is not None:
                self._known[old] = origin

    def find(self, old: str) -> Run | None:
        """The target's run, None where it has none.

        Raises:
            StoreError: it has been deleted there.
        """
        run = self._get(self[old])
        if run is not None and run.info.lifecycle_stage != "active":
            raise StoreError(f"it is deleted in the target (mlflow runs restore --run-id {run.info.run_id})")
        return run

    def make(self, run: Run) -> Run:
        """A run for one of the source, without what it holds; it says RUNNING and is of no kind until it is whole.

        Two transfers at once make one.

        Raises:
            StoreError: the target refuses.
        """
        old = str(run.info.run_id)
        if self._keeps_ids:
            self._insert(run)
        else:
            made_once(lambda: self._create(run), lambda: self.find(old))
            self._known[old] = self._first(old)
        found = self.find(old)
        if found is None:
            raise StoreError("the target does not hold the run that was made in it")
        return found

    def _get(self, run_id: str) -> Run | None:
        try:
            return self._client.get_run(run_id)
        except Exception as error:
            said = translated(error)
            if isinstance(said, RunGone):
                return None
            raise said from None

    def _create(self, run: Run) -> Run:
        tags = {str(Tag.TRANSFERRED_FROM): str(run.info.run_id), MLFLOW_USER: run.data.tags.get(MLFLOW_USER, "")}
        return self._client.create_run(
            self._home, start_time=run.info.start_time, run_name=run.info.run_name, tags=tags
        )

    def _first(self, old: str) -> str:
        """Of several that were made for one run at the same moment, the one that stays; the others are deleted."""
        found = self._client.search_runs([self._home], f"tags.`{Tag.TRANSFERRED_FROM}` = '{old}'")
        first, *others = sorted(str(run.info.run_id) for run in found)
        for other in others:
            self._client.delete_run(other)
        return first

    def _insert(self, run: Run) -> None:
        """A row as MLflow's own store makes it, but for its id."""
        place = self._client.get_experiment(self._home).artifact_location
        row: Mapping[str, Any] = {
            "run_uuid": run.info.run_id,
            "name": run.info.run_name or run.data.tags.get(MLFLOW_RUN_NAME, ""),
            "artifact_uri": append_to_uri_path(place, run.info.run_id, "artifacts"),
            "experiment_id": int(self._home),
            "source_type": "UNKNOWN",
            "source_name": "",
            "entry_point_name": "",
            "source_version": "",
            "user_id": run.data.tags.get(MLFLOW_USER, ""),
            "status": RunStatus.to_string(RunStatus.RUNNING),
            "start_time": run.info.start_time,
            "lifecycle_stage": "active",
        }
        with (
            contextlib.suppress(sql.exc.IntegrityError),  # another transfer was first
            engine_of(str(self._client.tracking_uri)).begin() as connection,
        ):
            connection.execute(sql.insert(SqlRun.__table__).values(**row))
