"""The store for people: a query of its models, one row each, and what they logged once an epoch."""

__all__ = ["Query", "histories", "runs"]

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from analysis.frame import layers
from analysis.suggested_commands import EXPERIMENT, train_commands
from hit import schema
from hit.errors import StoreError, nearest, shown
from hit.schema.experiments import Experiment

if TYPE_CHECKING:
    from hit.store import Store
    from hit.store.incremental import HistoryReader

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
        from hit.store import Store
        from hit.store.incremental import HistoryReader  # figures and recommendations from a frame do not need MLflow

        if self._reader is None:
            self._reader = HistoryReader(Store(self._uri), self.experiment, where=self.where, sweep=self.sweep)
        return self._reader.read(full=full)

    def _explain(self) -> None:
        from hit.store import Store
        from hit.store.filters import hint_for_none

        name, store = str(self.experiment), Store(self._uri)
        make = train_commands(name)
        if not store.experiment(self.experiment).id:
            raise StoreError(f"there is no experiment {name!r}{nearest(name, store.experiments())}; {make}")
        filters = {"where": self.where, "sweep": self.sweep}
        chosen = " and ".join(f"{name}={value!r}" for name, value in filters.items() if value)
        if chosen:
            near = _nearest_sweep(store, self.experiment, self.sweep) if self.sweep else ""
            raise StoreError(f"no run of experiment {name!r} has {chosen}{near}{hint_for_none(self.where)}")
        raise StoreError(f"experiment {name!r} holds no runs: {make}")


def _nearest_sweep(store: "Store", experiment: str | Experiment, sweep: str) -> str:
    """The sweep that may be meant; '' where none is called nearly so."""
    sweeps = store.runs(experiment, where=f"tags.`{schema.Tag.KIND}` = '{schema.Kind.SWEEP}'")
    return nearest(sweep, [run.info.run_id for run in sweeps]).partition("; known")[0]


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
