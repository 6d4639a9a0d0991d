"""The runs that a sweep has under way: how one is begun, so that nobody else begins it, and how it ends."""

__all__ = ["ActiveRun", "ActiveRuns"]

import contextlib
import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
from mlflow.exceptions import MlflowException

from hit.connection.store_errors import translated
from hit.delivery.delivery import HEARTBEAT_SECONDS
from hit.delivery.journal import JOURNAL
from hit.delivery.local_state import claim_run, run_folder
from hit.errors import RunGone, StoreAway, StoreError
from hit.errors.run_outcomes import FINAL, RunOutcome
from hit.processes.attempts import Outcome
from hit.processes.identity import process_identity
from hit.schema import Tag
from hit.schema.experiments import Experiment
from hit.store import Store
from hit.store.frame_types import outcomes
from hit.tracking.reservation import release_run, reserve_run, retake_run, settle_run
from hit.ui.run_names import point_name, run_name
from sweeps.drivers.driver import Proposal
from sweeps.launchers import Training
from sweeps.scheduler.progress import last_line

_SPENT = "interrupted: the budget is spent"
_UNTOLD = "its launcher was stopped without a word of it"
#: A run is given up when its worker died so often without an epoch finished in between.
_DEATHS_IN_A_ROW = 5

#: A run that ended so is not begun again by this sweep.
_GIVEN_UP = FINAL | {RunOutcome.FAILED, RunOutcome.GONE}


@dataclass
class ActiveRun:
    """A run under way.

    Attributes:
        proposal: what it was begun for.
        training: what the launcher was given.
        reserved: whether its run was made for it, and does not go on from before.
        began: `time.monotonic()` when it was begun.
        epoch: epochs done, as far as the launcher told.
        heard: whether the launcher has told of it: whoever trains it says that it is alive.
    """

    proposal: Proposal
    training: Training
    reserved: bool
    began: float = field(default_factory=time.monotonic)
    epoch: int = 0
    heard: bool = False

    def doing(self, outcome: Outcome) -> str:
        """What a launcher tells of it, for people."""
        config = self.proposal.config
        said = outcome.text if outcome.text == "evaluating" else f"epoch {outcome.epoch}/{config.epochs}"
        return f"{point_name(config)} {said if outcome.state == 'progress' else outcome.state}"


class ActiveRuns:
    """The runs under way. A proposal is claimed by the run that is made for it in the store, before anything trains it.

    Args:
        store: the run store.
        sweep: run id of the sweep.
        experiment: the experiment, or its name, of its children.
        folder: journals and checkpoints of this machine.
        data_digest: of the data set.
        early_stopping: rules that end runs early, as text.
    """

    def __init__(
        self,
        store: Store,
        sweep: str,
        experiment: str | Experiment,
        folder: Path,
        data_digest: str,
        early_stopping: str = "",
    ) -> None:
        self._store = store
        self._sweep = sweep
        self._experiment = experiment
        self._folder = folder
        self._digest = data_digest
        self._early_stopping = early_stopping
        self._deaths: Counter[str] = Counter()
        self._given_up: set[str] = set()
        self._ended_badly: set[str] = set()
        self._finished: set[str] = set()
        self._under_way: dict[str, ActiveRun] = {}
        self._kept_at = -math.inf

    def __len__(self) -> int:
        return len(self._under_way)

    @property
    def proposals(self) -> list[Proposal]:
        """What is under way."""
        return [active.proposal for active in self._under_way.values()]

    @property
    def run_ids(self) -> frozenset[str]:
        """Runs under way, and those that are not begun again."""
        return frozenset({*self._ended_badly, *(active.training.run_id for active in self._under_way.values())})

    @property
    def given_up(self) -> frozenset[str]:
        """Identities that this sweep does not begin again, though the store has them neither finished nor running."""
        return frozenset(self._given_up)

    def drop(self, identity: str) -> bool:
        """Give a model up if its run is in the store no more, where this sweep has finished it; whether that is so."""
        gone = identity in self._finished
        if gone:
            self._given_up.add(identity)
        return gone

    @property
    def runs_left(self) -> float:
        """What those under way have before them, in whole runs."""
        active_runs = self._under_way.values()
        return sum(1 - active.epoch / active.proposal.config.epochs for active in active_runs)

    def begin(self, proposal: Proposal, history: pd.DataFrame) -> ActiveRun:
        """Claim a proposal; what is to be launched.

        A run of the same model that was interrupted goes on under its own id. Otherwise a run is made for it; it
        stands in the store from here on, for other sweeps to see.

        Raises:
            Claimed: another process trains it, or has trained it.
            RunGone: somebody has deleted the experiment.
            StoreError: the store refuses, or does not answer (`StoreAway`).
        """
        run_id = self._interrupted(proposal.identity, history)
        reserved = run_id is None
        if run_id is None:
            tags: dict[str, str] = {
                Tag.CONFIG_HASH: proposal.identity,
                Tag.GROUP: proposal.config.group(self._digest),
                Tag.DATA_DIGEST: self._digest,
                Tag.SWEEP: self._sweep,
                Tag.PARENT: self._sweep,
            }
            name = run_name(proposal.config)
            run_id = reserve_run(self._store, self._experiment, name, proposal.config.to_flat(), tags)
        training = Training(
            identity=proposal.identity,
            config=proposal.config,
            run_id=run_id,
            experiment=self._experiment,
            sweep=self._sweep,
            uri=str(self._store.client.tracking_uri),
            early_stopping=self._early_stopping,
        )
        active = self._under_way[proposal.identity] = ActiveRun(proposal, training, reserved)
        return active

    def update(self, outcome: Outcome) -> ActiveRun:
        """Note what a launcher tells of a run.

        Raises:
            StoreError: the store refuses, or does not answer (`StoreAway`): to be told again.
        """
        active = self._under_way[outcome.job.identity]
        active.heard = True
        if outcome.state == "progress":
            if outcome.epoch > active.epoch:
                self._deaths.pop(outcome.job.identity, None)
            active.epoch = outcome.epoch
            return active
        if outcome.state == RunOutcome.CLAIMED and active.reserved:
            release_run(self._store.client, active.training.run_id)
        elif outcome.state not in (RunOutcome.FINISHED, RunOutcome.CLAIMED, RunOutcome.GONE):
            reason = f"lost: {outcome.text}" if outcome.state == RunOutcome.LOST else last_line(outcome.text)
            settle_run(self._store.client, active.training.run_id, outcome.state, reason)
        if outcome.state == RunOutcome.LOST:
            self._deaths[outcome.job.identity] += 1
        if outcome.state in _GIVEN_UP or self.is_given_up(outcome):
            self._given_up.add(outcome.job.identity)
            if outcome.state != RunOutcome.GONE:
                self._ended_badly.add(active.training.run_id)
        if outcome.state == RunOutcome.FINISHED:
            self._finished.add(outcome.job.identity)
        del self._under_way[outcome.job.identity]
        return active

    def keep_alive(self) -> None:
        """Say of runs that wait in a queue that they are alive: another machine does not see their process.

        Raises:
            StoreAway: the store does not answer.
        """
        now = time.monotonic()
        if now - self._kept_at < HEARTBEAT_SECONDS * 4:
            return
        for active in self._under_way.values():
            if not active.heard and now - active.began > HEARTBEAT_SECONDS:
                try:
                    self._store.client.set_tag(active.training.run_id, Tag.HEARTBEAT, str(int(time.time())))
                except MlflowException as error:
                    if isinstance(fault := translated(error), StoreAway):
                        raise fault from None
        self._kept_at = now

    def end(self, stop: Callable[[], list[Outcome]]) -> None:
        """End what is under way by what stops its launcher; a run of which that tells nothing is interrupted."""
        told: list[Outcome] = []
        try:
            told = stop()
        finally:
            heard = {outcome.job.identity for outcome in told}
            untold = [active for identity, active in self._under_way.items() if identity not in heard]
            told = told + [Outcome(one.training.job(), RunOutcome.INTERRUPTED, _UNTOLD) for one in untold]
            for outcome in told:
                if outcome.state == RunOutcome.LOST:  # a worker that was asked to stop while it was still being started
                    outcome = replace(outcome, state=RunOutcome.INTERRUPTED, text="stopped before its training began")
                with contextlib.suppress(StoreError):  # whoever reads the store next finds that it is lost
                    self.update(outcome)

    def withdraw(self, active: ActiveRun) -> None:
        """Take back what was begun and not launched.

        Raises:
            StoreAway: the store does not answer.
        """
        if active.reserved:
            release_run(self._store.client, active.training.run_id)
        else:
            settle_run(self._store.client, active.training.run_id, RunOutcome.INTERRUPTED, _SPENT)
        del self._under_way[active.proposal.identity]

    def is_given_up(self, outcome: Outcome) -> bool:
        """Whether a run whose worker died is not tried again."""
        return outcome.state == RunOutcome.LOST and self._deaths[outcome.job.identity] >= _DEATHS_IN_A_ROW

    def end_strays(self) -> int:
        """End runs that were made for this sweep and that nothing trains: their making was not answered; how many.

        Raises:
            StoreError: the store does not answer (`StoreAway`).
        """
        host, process = process_identity()
        known = {active.training.run_id for active in self._under_way.values()}
        where = f"attributes.status = 'RUNNING' and tags.`{Tag.SWEEP}` = '{self._sweep}'"
        strays = [
            run.info.run_id
            for run in self._store.runs(self._experiment, where=where)
            if (run.data.tags.get(Tag.HOST), run.data.tags.get(Tag.PROCESS)) == (host, process)
            and run.info.run_id not in known
        ]
        for run_id in strays:
            release_run(self._store.client, run_id)
        return len(strays)

    def _interrupted(self, identity: str, history: pd.DataFrame) -> str | None:
        """The newest run of this model that was interrupted and that can be gone on with here, now RUNNING: it left
        its journal here, which knows what it has logged, or never finished an epoch, on this machine. What a rule has
        ended is left alone.

        Raises:
            Claimed: another process trains the model, or has trained it.
        """
        rows = history[(history["config_hash"] == identity) & history["status"].isin(["KILLED", "FAILED"])]
        rows = rows[~outcomes(rows).isin(FINAL)]
        for run_id, epochs in zip(reversed(list(rows["run_id"])), reversed(_epochs_logged(rows)), strict=True):
            folder = run_folder(self._folder, run_id)
            kept = any((folder / name).exists() for name in ("checkpoint.safetensors", JOURNAL))
            with contextlib.suppress(RunGone):  # it has been deleted since the history was read
                if kept or (not epochs and self._store.run(run_id).data.tags.get(Tag.HOST) == process_identity()[0]):
                    self._retake(folder, identity, str(run_id))
                    return str(run_id)
        return None

    def _retake(self, folder: Path, identity: str, run_id: str) -> None:
        lock = claim_run(folder)
        try:
            retake_run(self._store, self._experiment, identity, run_id)
        finally:
            lock.release()


def _epochs_logged(rows: pd.DataFrame) -> list[bool]:
    """Whether each run has finished an epoch."""
    return list(rows.get("train/objective", pd.Series(index=rows.index, dtype=float)).notna())
