"""Ending runs early: Optuna's pruners over the run store, beside the bounds on rates that need no store."""

__all__ = ["PrunerStopper", "Trace", "early_stopper"]

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hit.config import TrainConfig
from hit.config.early_stopping import EarlyStopping, PrunerRule
from hit.errors import EndedEarly, StoreAway
from hit.errors.run_outcomes import RunOutcome
from hit.schema import Tag
from hit.schema.endings import outcome_of
from hit.schema.experiments import Experiment
from hit.store import Store
from hit.training.loop import Epoch
from hit.training.rate_bounds import RateBoundStopper

if TYPE_CHECKING:
    from hit.runs.optuna_pruners import PrunerStudy

_REFRESH_SECONDS = 5.0


def early_stopper(
    rules: EarlyStopping,
    config: TrainConfig,
    experiment: str | Experiment,
    uri: str | None = None,
    pruner: "PrunerStopper | None" = None,
) -> Callable[[str, Epoch], None]:
    """What `hit.runs.training_run.train_run` is to show every epoch of a run to; the last epoch is never judged.

    Args:
        rules: when to end it.
        config: of the run.
        experiment: the experiment, or its name, with the runs to compare with.
        uri: the store, which pruners read.
        pruner: that several runs share, so that the store is read once for all of them; None: one of its own.
    """
    rates = RateBoundStopper(rules.bounds, config)
    if pruner is None and rules.pruner is not None:
        pruner = PrunerStopper(rules.pruner, config, experiment, lambda: Store(uri))

    def check(run_id: str, epoch: Epoch) -> None:
        if epoch.number < config.epochs:
            rates.check(epoch.number, epoch.metrics)
            if pruner is not None:
                pruner.check(run_id, epoch.number, epoch.metrics)

    return check


@dataclass
class Trace:
    """One metric of one run over its epochs.

    Attributes:
        run_id: whose.
        status: the run's.
        values: epoch → value.
        times: epoch → when it was logged, in ms.
    """

    run_id: str
    status: str
    values: dict[int, float] = field(default_factory=dict)
    times: dict[int, int] = field(default_factory=dict)


class PrunerStopper:
    """Asks a pruner after every epoch of a run, on what the store knows of the others.

    Comparable are the models of the same data with the same likelihood and number of epochs; those that failed
    are left out. Several comparable runs of one process may share it.

    Args:
        rule: the pruner.
        config: of the run, or of any of the runs.
        experiment: the experiment, or its name.
        store: opens the run store.
    """

    def __init__(
        self, rule: PrunerRule, config: TrainConfig, experiment: str | Experiment, store: Callable[[], Store]
    ) -> None:
        self._rule = rule
        self._open = store
        self._store: Store | None = None
        self._experiment = experiment
        self._config = config
        self._traces: dict[str, Trace] = {}
        #: Runs whose epochs are told here, and those whose epochs before that the store has told: it need not tell
        #: what it is told by this process.
        self._told: set[str] = set()
        self._whole: set[str] = set()
        self._read_at = -math.inf
        self._study: PrunerStudy | None = None

    def check(self, run_id: str, epoch: int, metrics: Mapping[str, float]) -> None:
        """Judge a finished epoch.

        Args:
            run_id: of the run.
            epoch: counted from 1.
            metrics: of the epoch, in schema names.

        Raises:
            EndedEarly: "pruned: …".
        """
        from hit.runs.optuna_pruners import PrunerStudy

        if self._rule.metric not in metrics:
            return
        if time.monotonic() - self._read_at > _REFRESH_SECONDS:
            with contextlib.suppress(StoreAway):  # asked again after the next epoch
                self._read(run_id)
        self._told.add(run_id)
        own = self._traces.setdefault(run_id, Trace(run_id, "RUNNING"))
        own.values[epoch] = value = metrics[self._rule.metric]
        own.times[epoch] = int(time.time() * 1000)
        self._study = self._study or PrunerStudy(self._rule, self._config.epochs)
        if self._study.prunes(list(self._traces.values()), run_id):
            raise EndedEarly(
                f"pruned: {self._rule} over {len(self._traces)} runs, at {value:.4g} in epoch {epoch} of "
                f"{self._config.epochs}"
            )

    def _read(self, own_id: str) -> None:
        store = self._store = self._store or self._open()
        own = store.run(own_id)
        home = store.experiment(self._experiment)
        self._experiment = home if home.id else Experiment(home.name, str(own.info.experiment_id))  # renamed
        where = (
            f"tags.`{Tag.DATA_DIGEST}` = '{own.data.tags.get(Tag.DATA_DIGEST, '')}' "
            f"and params.likelihood = '{self._config.likelihood}'"
        )
        traces: dict[str, Trace] = {}
        for run in store.runs(self._experiment, where=where):
            old = self._traces.get(run.info.run_id)
            status = run.info.status
            interrupted = status == "KILLED" and outcome_of(run) is not RunOutcome.ENDED_EARLY
            if (
                status == "FAILED"
                or interrupted
                or run.data.metrics.get("epochs", self._config.epochs) != self._config.epochs
            ):
                continue
            told = run.info.run_id in self._told
            if old is None or (run.info.run_id not in self._whole if told else old.status == "RUNNING"):
                trace = Trace(run.info.run_id, status)
                for point in store.histories([run.info.run_id], [self._rule.metric]):
                    trace.values[point.step] = point.value
                    trace.times[point.step] = point.timestamp
                if old is not None:
                    trace.values |= old.values
                    trace.times |= old.times
                old = trace
            old.status = status
            self._whole.add(run.info.run_id)
            traces[run.info.run_id] = old
        self._traces = traces
        self._read_at = time.monotonic()
