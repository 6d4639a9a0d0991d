"""The run store, read: typed, paged, a row a run. Nothing here writes."""

__all__ = ["BASE_COLUMNS", "Store", "config_of", "is_layered", "is_lost", "to_frame"]

import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from hit.config import BETA, flat_defaults
from hit.connection import connect, is_permanent
from hit.errors import StoreAway, StoreError
from hit.schema import DEFAULT_EXPERIMENT, Kind, Tag
from hit.stop import process_identity
from hit.targets import TARGET

_PAGE = 1000
#: A run of another machine whose heart has not beaten for so long is lost.
LOST_AFTER_SECONDS = 600.0

_COLUMNS = {
    "kind": Tag.KIND,
    "sweep": Tag.SWEEP,
    "parent": Tag.PARENT,
    "amortised": Tag.AMORTISED,
    "config_hash": Tag.CONFIG_HASH,
    "group": Tag.GROUP,
    "data_digest": Tag.DATA_DIGEST,
    "evaluator": Tag.EVALUATOR,
    "judge": Tag.JUDGE,
    "inception": Tag.INCEPTION,
    "infeasible": Tag.INFEASIBLE,
    "status_reason": Tag.STATUS_REASON,
    "schema": Tag.SCHEMA,
}
#: Columns that every frame begins with, before the fields of the config.
BASE_COLUMNS = ("run_id", "run_name", "experiment_id", "status", "start_time", "end_time", *_COLUMNS)


class Store:
    """A tracking server or an SQLite file.

    Args:
        uri: its address; see `hit.connection.tracking_uri`.

    Raises:
        StoreError: it does not answer.
    """

    def __init__(self, uri: str | None = None) -> None:
        self.client = connect(uri)

    def history(
        self,
        experiment: str = DEFAULT_EXPERIMENT,
        *,
        where: str = "",
        kind: Kind | None = Kind.TRAIN,
        sweep: str | None = None,
    ) -> pd.DataFrame:
        """Every matching run, one typed row each, oldest first; see `to_frame` for the columns.

        Args:
            experiment: its name; one that does not exist has no runs.
            where: a filter in MLflow's language (`metrics.beta_1 < 1 and params.model = 'ghvae'`).
            kind: only runs of this kind; None for all.
            sweep: only children of this sweep (its run id).

        Raises:
            StoreError: the filter is not understood, or the store does not answer (`StoreAway`).
        """
        return to_frame(list(self.runs(experiment, where=where, kind=kind, sweep=sweep)))

    def runs(
        self,
        experiment: str = DEFAULT_EXPERIMENT,
        *,
        where: str = "",
        kind: Kind | None = Kind.TRAIN,
        sweep: str | None = None,
    ) -> Iterator[Run]:
        """The same as MLflow's own records, page by page."""
        found = self._answer(partial(self.client.get_experiment_by_name, experiment))
        if found is None:
            return
        clauses = [where] if where else []
        if kind is not None:
            clauses.append(f"tags.`{Tag.KIND}` = '{kind}'")
        if sweep is not None:
            clauses.append(f"tags.`{Tag.SWEEP}` = '{sweep}'")
        yield from self._pages([found.experiment_id], " and ".join(clauses), "start_time ASC", about=where)

    def classifiers(self, data_digest: str) -> list[Run]:
        """Finished classifiers of the data with this digest, of whatever experiment, newest first.

        Raises:
            StoreError: the store does not answer (`StoreAway`).
        """
        page = self._answer(self.client.search_experiments)
        experiments = [found.experiment_id for found in page]
        while page.token:
            page = self._answer(partial(self.client.search_experiments, page_token=page.token))
            experiments += [found.experiment_id for found in page]
        where = (
            f"tags.`{Tag.KIND}` = '{Kind.CLASSIFIER}' and tags.`{Tag.DATA_DIGEST}` = '{data_digest}' "
            "and attributes.status = 'FINISHED'"
        )
        return list(self._pages(experiments, where, "start_time DESC"))

    def experiments(self) -> list[str]:
        """Names of all experiments that are not deleted.

        Raises:
            StoreError: the store does not answer.
        """
        page = self._answer(self.client.search_experiments)
        names = [found.name for found in page]
        while page.token:
            page = self._answer(partial(self.client.search_experiments, page_token=page.token))
            names += [found.name for found in page]
        return names

    def run(self, run_id: str) -> Run:
        """One run.

        Raises:
            StoreError: there is none of this id.
        """
        try:
            return self._answer(partial(self.client.get_run, run_id))
        except StoreAway:
            raise
        except StoreError:
            raise StoreError(f"run_id must be that of a run in the store, got {run_id!r}") from None

    def download(self, run_id: str, artifact: str, folder: Path) -> Path:
        """A copy of a run's artifact under `folder`.

        Raises:
            StoreError: the run has no such artifact.
        """
        try:
            return Path(self.client.download_artifacts(run_id, artifact, str(folder)))
        except Exception as error:
            raise StoreError(
                f"run {run_id} must have the artifact {artifact!r}, got: {str(error).splitlines()[0]}"
            ) from None

    def _pages(self, experiments: Sequence[str], where: str, order: str, about: str = "") -> Iterator[Run]:
        search = partial(self.client.search_runs, experiments, where, max_results=_PAGE, order_by=[order])
        page = self._answer(search, about)
        yield from page
        while page.token:
            page = self._answer(partial(search, page_token=page.token), about)
            yield from page

    def _answer(self, ask: Callable[[], Any], about: str = "") -> Any:
        try:
            return ask()
        except MlflowException as error:
            reason = str(error).splitlines()[0]
            if not is_permanent(error):
                raise StoreAway(reason[:300]) from None
            raise StoreError(f"the store cannot answer {about!r}: {reason}" if about else reason) from None


def to_frame(runs: Sequence[Run]) -> pd.DataFrame:
    """A tidy frame, one row a run.

    Columns: run_id, run_name, experiment_id, status, start_time, end_time (UTC), kind, sweep, parent, amortised,
    config_hash, group, data_digest, evaluator, judge, inception, infeasible, status_reason, schema, every field of the
    config with its type, and every metric under its schema name as float (NaN where the run lacks it). A param that
    `mlflow run` logged as typed ("1e-3") and one that we logged (0.001) read the same. β_l of a run with rate
    targets is the one that it ended with.
    """
    defaults = flat_defaults()
    columns: dict[str, list[Any]] = {
        "run_id": [run.info.run_id for run in runs],
        "run_name": [run.info.run_name for run in runs],
        "experiment_id": [run.info.experiment_id for run in runs],
        "status": [run.info.status for run in runs],
        "start_time": [run.info.start_time for run in runs],
        "end_time": [run.info.end_time for run in runs],
    }
    tags = [run.data.tags for run in runs]
    for column, tag in _COLUMNS.items():
        columns[column] = [some.get(tag) for some in tags]
    params = [run.data.params for run in runs]
    metrics = [run.data.metrics for run in runs]
    layered = {name for some in params for name in some if is_layered(name)}
    for name in [*defaults, *sorted(layered - defaults.keys())]:
        default = 1.0 if is_layered(name) else defaults[name]
        columns[name] = [_typed(default, some.get(name)) for some in params]
        if BETA.match(name):  # where rate targets moved β, what it ended as decides what the model is
            columns[name] = [own.get(name, asked) for own, asked in zip(metrics, columns[name], strict=True)]
    # β, epochs and the like stand as typed params already; their mirrors are for MLflow's own filters.
    for name in sorted({name for some in metrics for name in some} - columns.keys()):
        columns[name] = [some.get(name, float("nan")) for some in metrics]
    frame = pd.DataFrame(columns)
    for name in ("start_time", "end_time"):
        frame[name] = pd.to_datetime(frame[name], unit="ms", utc=True).astype("datetime64[ms, UTC]")
    return frame


def is_lost(run: Run, now: float | None = None) -> bool:
    """Whether a run that says RUNNING has nobody behind it any more.

    On this machine its process tells; for others a heart that has stopped.
    """
    if run.info.status != "RUNNING" or Tag.PROCESS not in run.data.tags:
        return False
    tags = run.data.tags
    pid = int(tags[Tag.PROCESS].partition(":")[0])
    host, process = process_identity(pid)
    if tags.get(Tag.HOST) == host:
        return tags[Tag.PROCESS] != process or not _alive(pid)
    try:
        beat = float(tags.get(Tag.HEARTBEAT, "0"))
    except ValueError:
        beat = 0.0
    return (time.time() if now is None else now) - beat > LOST_AFTER_SECONDS


def config_of(run: Run) -> dict[str, Any]:
    """The flat config of a run, as it was logged."""
    known = flat_defaults()
    return {name: value for name, value in run.data.params.items() if name in known or is_layered(name)}


def is_layered(name: str) -> bool:
    """Whether a param is a number that a layer, or the total rate, has."""
    return bool(BETA.match(name) or TARGET.match(name))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _typed(default: Any, text: str | None) -> Any:
    """The param's text as the type of the field's default; a text that is not of it reads as missing."""
    if text is None:
        return float("nan") if isinstance(default, float) else None
    try:
        match default:
            case bool():
                return text.strip().lower() in ("true", "1", "yes", "on")
            case int():
                return int(float(text))
            case float():
                return float(text)
    except ValueError:
        return float("nan") if isinstance(default, float) else None
    return text
