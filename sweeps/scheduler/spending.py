"""What a sweep has run so far, whoever began it: all sweeps of one definition share a budget."""

__all__ = ["Spending"]

from collections.abc import Collection

import pandas as pd

from hit.errors.run_outcomes import COUNTED
from hit.schema import Kind, Tag
from hit.schema.experiments import Experiment
from hit.store import Store
from hit.store.frame_types import outcomes


class Spending:
    """Counts the models that were run for a sweep.

    A child of any sweep of the same definition counts that is finished, running, failed or ended early. One that was
    interrupted or lost does not until it goes on: what a killed sweep left behind is brought to its end within the same
    budget. One that failed and is tried again, under its id, counts once. Runs that were deleted do not count, nor do
    those of a sweep that was deleted.

    Args:
        store: the run store.
        experiment: name of the experiment.
        sweep: run id of the sweep that asks.
        definition: its definition (`sweeps.spec.definition`); where it is empty, the sweep is alone.
    """

    def __init__(self, store: Store, experiment: str | Experiment, sweep: str, definition: str) -> None:
        self._store = store
        self._experiment = experiment
        self._sweep = sweep
        self._definition = definition
        self._sweeps = frozenset({sweep})
        self._rows = pd.DataFrame({"run_id": [], "sweep": [], "status": []})
        #: Whether another start of this sweep is at work.
        self.shared = False

    def read(self) -> None:
        """Ask the store which sweeps there are.

        Raises:
            StoreAway: the store does not answer.
        """
        if self._definition:
            where = f"tags.`{Tag.DEFINITION}` = '{self._definition}'"
            found = list(self._store.runs(self._experiment, where=where, kind=Kind.SWEEP))
            others = {run.info.run_id: run.info.status for run in found if run.info.run_id != self._sweep}
            self._sweeps = frozenset({self._sweep, *others})
            self.shared = "RUNNING" in others.values()

    def take_in(self, history: pd.DataFrame) -> None:
        """Count by this history from here on."""
        counts = (history["status"] == "RUNNING") | outcomes(history).isin(COUNTED)
        rows = history[counts & history["sweep"].isin(self._sweeps)]
        self._rows = rows.sort_values(["start_time", "run_id"], kind="stable")

    def count(self, own: Collection[str]) -> int:
        """How many runs count, the runs `own` among them, which the history may lack."""
        return len({*self._rows["run_id"], *own})

    @property
    def elsewhere(self) -> int:
        """How many of them other starts of the sweep have begun."""
        return int((self._rows["sweep"] != self._sweep).sum())

    def running_elsewhere(self, own: Collection[str]) -> int:
        """How many of them are running and none of the runs `own`."""
        return int(((self._rows["status"] == "RUNNING") & ~self._rows["run_id"].isin([*own])).sum())

    def beyond(self, runs: int) -> frozenset[str]:
        """Ids of those that were begun when so many had been begun already: two starts have begun them at once."""
        return frozenset(self._rows["run_id"].iloc[runs:])
