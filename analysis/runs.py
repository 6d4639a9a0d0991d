"""The store for people: one row a model, and plain sentences where something is missing."""

__all__ = [
    "Query",
    "column",
    "finished",
    "histories",
    "layers",
    "measured_by",
    "one_dataset",
    "rate_name",
    "replicates",
    "require",
    "runs",
    "values",
]

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.earlier_runs import derived_layers
from analysis.suggestions import EXPERIMENT, classify_command, evaluate_command, experiment_of, train_commands
from hit import schema
from hit.errors import StoreError, nearest, shown
from hit.experiments import Experiment
from hit.metric_groups import GROUPS

if TYPE_CHECKING:
    from hit.history import HistoryReader

_COLUMN_OF = {tag: name for name, tag in schema.TAG_COLUMNS.items()}
#: Runs whose histories are held as points at once.
_RUNS_AT_ONCE = 500


def runs(
    experiment: str | Experiment = schema.DEFAULT_EXPERIMENT,
    where: str = "",
    tracking_uri: str | None = None,
    sweep: str | None = None,
) -> pd.DataFrame:
    """The models in the run store, one row each, with every config field and metric as a column.

    Args:
        experiment: the MLflow experiment, or its name.
        where: an MLflow filter, such as `params.dataset = 'digits' and metrics.beta_2 > 1`.
        tracking_uri: the store; by default what `MLFLOW_TRACKING_URI` says, else `sqlite:///mlflow.db`.
        sweep: run id of a sweep, to see its runs alone.

    Raises:
        StoreError: the store does not answer, or holds no such run; says which command makes one.
    """
    return Query(experiment, where, tracking_uri, sweep).runs()


class Query:
    """The same question to the store, asked again and again: after the first time, only what has changed is read.

    >>> query = Query("hit", "params.model = 'ghvae'")  # doctest: +SKIP
    >>> frame = query.runs()  # all of it  # doctest: +SKIP
    >>> frame = query.runs()  # what has changed since  # doctest: +SKIP

    Args:
        experiment, where, tracking_uri, sweep: as of `runs`.
    """

    def __init__(
        self,
        experiment: str | Experiment = schema.DEFAULT_EXPERIMENT,
        where: str = "",
        tracking_uri: str | None = None,
        sweep: str | None = None,
    ) -> None:
        self.experiment = experiment
        self.where = where
        self.sweep = sweep or None
        self._uri = tracking_uri
        self._reader: HistoryReader | None = None

    def runs(self, *, full: bool = False) -> pd.DataFrame:
        """The models as they are now, one row each. A frame of its own: what is done to it changes no later one.

        Args:
            full: read everything again. A store behind a server is read again every ten minutes, since it does not
                tell of runs that were measured anew or deleted; a database tells of every change.

        Raises:
            StoreError: as from the function `runs`.
        """
        frame = self._read(full).copy()
        frame.attrs[EXPERIMENT] = str(self.experiment)
        if frame.empty:
            self._explain()
        return frame

    def histories(self, metrics: Sequence[str] = ()) -> pd.DataFrame:
        """What the models logged once an epoch; see the function `histories`."""
        return histories(self.runs(), metrics, self._uri)

    def _read(self, full: bool) -> pd.DataFrame:
        from hit.history import HistoryReader  # figures and recommendations from a frame do not need MLflow
        from hit.store import Store

        if self._reader is None:
            self._reader = HistoryReader(Store(self._uri), self.experiment, where=self.where, sweep=self.sweep)
        return self._reader.read(full=full)

    def _explain(self) -> None:
        from hit.store import Store

        name, store = str(self.experiment), Store(self._uri)
        make = train_commands(name)
        if not store.experiment(self.experiment).id:
            raise StoreError(f"there is no experiment {name!r}{nearest(name, store.experiments())}; {make}")
        filters = {"where": self.where, "sweep": self.sweep}
        chosen = " and ".join(f"{name}={value!r}" for name, value in filters.items() if value)
        if chosen:
            raise StoreError(f"no run of experiment {name!r} has {chosen}")
        raise StoreError(f"experiment {name!r} holds no runs: {make}")


def histories(
    models: pd.DataFrame | Iterable[str], metrics: Sequence[str] = (), tracking_uri: str | None = None
) -> pd.DataFrame:
    """What many models logged once an epoch, as one tidy frame.

    Args:
        models: rows of `runs`, or run ids.
        metrics: their names; by default the rates, the distortion and the ELBO of training.
        tracking_uri: the store; as of `runs`.

    Returns:
        One row a run and epoch: columns `run_id`, `epoch`, and one a metric, NaN where it was not logged in this
        epoch. Runs come in the order of `models`, epochs in theirs; a run that has logged nothing has no row.
        An epoch that was logged twice (by a run that was resumed) counts as it was last.

    Raises:
        StoreError: the store does not answer, or a metric is not declared.
    """
    from hit.store import Store

    if isinstance(models, pd.DataFrame):
        ids, count = list(models["run_id"].astype(str)), layers(models)
    else:
        ids, count = list(models), 2
    ids = list(dict.fromkeys(ids))
    parts = ("rate", *(f"rate_{layer}" for layer in range(1, count + 1)), "distortion", "elbo")
    names = list(dict.fromkeys(metrics or [f"train/{part}" for part in parts]))
    for name in names:
        if not schema.is_metric(name):
            known = [declared.name for declared in schema.layer_metrics(count)]
            raise StoreError(f"no metric is called {shown(name)}{nearest(name, known)}")
    store = Store(tracking_uri)
    tables = [pd.DataFrame({"run_id": pd.Series([], dtype=str), "epoch": pd.Series([], dtype="int64")})]
    for first in range(0, len(ids), _RUNS_AT_ONCE):
        points = pd.DataFrame(
            store.histories(ids[first : first + _RUNS_AT_ONCE], names),
            columns=["run_id", "metric", "epoch", "timestamp", "value"],
        )
        last = points.sort_values(["timestamp", "value"], kind="stable").drop_duplicates(
            ["run_id", "metric", "epoch"], keep="last"
        )
        tables.append(last.pivot(index=["run_id", "epoch"], columns="metric", values="value").reset_index())
    table = pd.concat([table for table in tables if len(table)] or tables, ignore_index=True)
    table = table.reindex(columns=["run_id", "epoch", *names]).rename_axis(columns=None)
    place = table["run_id"].map({run_id: number for number, run_id in enumerate(ids)})
    order = pd.DataFrame({"place": place, "epoch": table["epoch"]}).sort_values(["place", "epoch"]).index
    return table.loc[order].astype(dict.fromkeys(names, float)).reset_index(drop=True)


def finished(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of runs that ended well and are therefore complete."""
    return frame[frame["status"] == "FINISHED"]


def layers(frame: pd.DataFrame) -> int:
    """L, the largest number of layers of latents among the models."""
    logged = values(frame, "layers")
    earlier = frame[logged.isna()]
    derived = derived_layers(column(earlier, "model"), column(earlier, "z_dims"))
    return max(derived, int(logged.max()) if logged.notna().any() else 0)


def column(frame: pd.DataFrame, name: str) -> pd.Series:
    """The column `name`, all missing where the store has none."""
    return frame[name] if name in frame else pd.Series(np.nan, index=frame.index, name=name, dtype=object)


def values(frame: pd.DataFrame, name: str) -> pd.Series:
    """The column `name` as floats; what is missing or not finite is NaN."""
    numbers = pd.to_numeric(column(frame, name), errors="coerce").astype(float)
    return numbers.where(np.isfinite(numbers))


def measured_by(frame: pd.DataFrame, evaluator: schema.Tag) -> pd.Series:
    """Who measured each run's scores, by the fingerprint in a tag; missing where nobody did."""
    return column(frame, _COLUMN_OF[evaluator])


def rate_name(layer: int) -> str:
    """Name of R_l of the test set in the store."""
    return f"test/rate_{layer}"


def require(frame: pd.DataFrame, *names: str) -> pd.DataFrame:
    """The finished runs that have every one of these metrics, all scored by one evaluator, numbered from 0.

    Scores of different evaluators are not compared: the evaluator of most runs is kept.

    Raises:
        StoreError: a name is neither declared nor in the frame, or no finished run has it; says what to run.
    """
    rows = finished(frame)
    if rows.empty:
        raise StoreError(f"no run has finished: {train_commands(experiment_of(frame))}")
    for name in names:
        if not schema.is_metric(name) and name not in frame:
            known = [declared.name for declared in schema.layer_metrics(layers(frame))]
            raise StoreError(f"no metric is called {shown(name)}{nearest(name, known)}")
        measured = rows[values(rows, name).notna()]
        if measured.empty and not schema.is_metric(name):
            raise StoreError(f"no finished run has {name}, which a person has logged")
        if measured.empty:
            judged = (
                f" (it takes a classifier of the data: `{classify_command(frame)}`)"
                if schema.metric(name).evaluator == schema.Tag.JUDGE
                else ""
            )
            raise StoreError(
                f"no finished run has {name} ({schema.metric(name).label}): "
                f"measure it by `{evaluate_command(frame, name)}`{judged}"
            )
        rows = measured
    needed = {schema.described(name).evaluator for name in names}
    for tag in (group.evaluator for group in GROUPS.values()):
        if tag is not None and tag in needed:
            evaluators = measured_by(rows, tag).fillna("")
            rows = rows[evaluators == evaluators.mode().iloc[0]]
    return rows.reset_index(drop=True)


def one_dataset(frame: pd.DataFrame) -> str:
    """The data set of these runs.

    Raises:
        StoreError: they are of several, whose numbers do not compare.
    """
    names = column(frame, "dataset").dropna().astype(str).unique()
    if len(names) > 1:
        raise StoreError(f"runs of one dataset compare, got {', '.join(sorted(names))}: choose one by where")
    digests = column(finished(frame), "data_digest").dropna().astype(str).unique()
    if len(digests) > 1:
        raise StoreError(f"runs of one version of {names[0]} compare, got the digests {', '.join(sorted(digests))}")
    return str(names[0]) if len(names) else ""


def replicates(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Finished runs that differ in their seed alone, as one row: mean, spread and count of each metric.

    The index is `hit.group` (a run without one stands for itself); columns are pairs
    (metric, statistic), so that `table["test/psnr", "mean"]` is a column. The spread is the sample
    standard deviation, NaN for a single run; the count is of runs that have the metric, by the evaluator
    of most runs.

    Raises:
        StoreError: no run has finished, or no finished run has one of the metrics.
    """
    rows = finished(frame)
    groups = column(rows, "group").where(column(rows, "group").notna(), rows["run_id"]).rename("group")
    statistics = {
        (name, statistic): values(rows, name).where(rows["run_id"].isin(known)).groupby(groups).agg(how)
        for name, known in {name: require(frame, name)["run_id"] for name in metrics}.items()
        for statistic, how in (("mean", "mean"), ("spread", "std"), ("count", "count"))
    }
    return pd.DataFrame(statistics)
