"""What a sweep knows of the store, and what its driver makes of it: asked once a reading."""

__all__ = ["Reading"]

import time

import pandas as pd

from hit.recovery import end_lost
from hit.store import Store
from hit.store.incremental import HistoryReader
from sweeps.drivers.driver import Driver
from sweeps.scheduler.context import SweepSetting
from sweeps.scheduler.progress import Best
from sweeps.scheduler.spending import Spending


class Reading:
    """The history as it was read last.

    Args:
        driver: of the sweep.
        store: the run store.
        sweep: run id of the sweep.
        setting: its experiment, its definition, and the metric whose best value is told.

    Attributes:
        history: all models of the experiment.
        at: `time.monotonic()` of the reading.
        spending: what counts against the budget.
        finished: how many of the wanted models are finished.
        identities: config hashes of all models that are.
        best: the best value so far.
        further: how many runs the driver may want beside these.
        situation: what the driver says.
    """

    def __init__(self, driver: Driver, store: Store, sweep: str, setting: SweepSetting) -> None:
        self._driver = driver
        self._store = store
        self._setting = setting
        self._reader = HistoryReader(store, setting.experiment)
        self.spending = Spending(store, setting.experiment, sweep, setting.definition)
        self.history = pd.DataFrame()
        self.at = 0.0
        self.finished = 0
        self.identities: set[str] = set()
        self.best: Best | None = None
        self.further = 0
        self.situation = ""

    def read(self) -> None:
        """Read it again, after the runs that have nobody behind them were marked as lost.

        Raises:
            StoreError: the store does not answer (`StoreAway`), or holds runs of another schema.
        """
        end_lost(self._store, self._setting.experiment)
        self.look()

    def beyond(self, runs: int) -> frozenset[str]:
        """Ids of runs too many for a budget of so many (0: no bound), where two starts have begun some at once.

        Raises:
            StoreError: as `read`.
        """
        if not runs:
            return frozenset()
        self.spending.read()
        if not self.spending.shared:
            return frozenset()
        self.look()
        return self.spending.beyond(runs)

    def look(self) -> None:
        """The same without marking anything.

        Raises:
            StoreError: as `read`.
        """
        self.spending.read()
        history = self._reader.read()
        self.at = time.monotonic()
        self.history = history
        self.spending.take_in(history)
        self.finished = self._driver.finished(history)
        self.identities = set(history.loc[history["status"] == "FINISHED", "config_hash"])
        self.best = Best.of(self._driver.mine(history), self._setting.best)
        self.further = self._driver.further(history)
        self.situation = self._driver.situation(history)
