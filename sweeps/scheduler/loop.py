"""Query the store, let the driver propose, launch, until nothing is left or the budget is spent."""

__all__ = ["run_sweep"]

import contextlib
import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from hit.connection import experiment_id
from hit.errors import Claimed, Interrupted, StoreError
from hit.errors.run_outcomes import RunOutcome
from hit.processes.attempts import Outcome
from hit.processes.stop import StopRequest
from hit.recovery.undelivered import deliver_undelivered
from hit.schema.experiments import Experiment
from hit.store import Store
from hit.tracking import RunWriter
from hit.ui.run_names import point_name
from sweeps.drivers.driver import Driver, Proposal, with_pending
from sweeps.launchers import Launcher
from sweeps.scheduler.active_runs import ActiveRun, ActiveRuns
from sweeps.scheduler.context import SweepResult, SweepSetting
from sweeps.scheduler.decision_log import Decisions
from sweeps.scheduler.note import SweepNote
from sweeps.scheduler.progress import Standing, SweepProgress, last_line
from sweeps.scheduler.reading import Reading
from sweeps.scheduler.waiting import SECONDS_BETWEEN_QUESTIONS, wait_for_store

#: What other processes have come to is asked for so often while there is room for another run.
_SECONDS_BETWEEN_READINGS = 10.0

AnswerT = TypeVar("AnswerT")


def run_sweep(
    driver: Driver,
    sweep: RunWriter,
    launcher: Launcher,
    setting: SweepSetting,
    stop: StopRequest,
    definition: Mapping[str, Any] | None = None,
) -> SweepResult:
    """Run a driver's proposals, each a child of the sweep's run.

    Everything is asked of the store, so a sweep that was killed is simply started again: what is finished
    is left out, and what was interrupted goes on from its checkpoint under the same run.

    Args:
        driver: decides what to run.
        sweep: the sweep's own run.
        launcher: where the models are trained; entered here, and stopped in the end, whatever happens.
        setting: experiment, budget and the like.
        stop: SIGTERM and Ctrl-C end the children cleanly.
        definition: what the sweep is, for its note.

    Raises:
        StoreError: the store refuses, or holds runs of another schema.
        RunGone: somebody has deleted the experiment, or the sweep's own run; the children ended as KILLED.
        Interrupted: `stop` was requested; the children ended as KILLED.
    """
    with launcher:
        return _Sweep(driver, sweep, launcher, setting, stop, definition or {}).run()


class _Sweep:
    def __init__(
        self,
        driver: Driver,
        sweep: RunWriter,
        launcher: Launcher,
        setting: SweepSetting,
        stop: StopRequest,
        definition: Mapping[str, Any],
    ) -> None:
        self._driver = driver
        self._run = sweep
        self._launcher = launcher
        self._setting = setting
        self._stop = stop
        self._store = Store(setting.uri)
        home = Experiment(str(setting.experiment), experiment_id(self._store.client, setting.experiment))
        self._known = Reading(driver, self._store, sweep.run_id, replace(setting, experiment=home))
        self._active = ActiveRuns(
            self._store, sweep.run_id, home, setting.folder, setting.data_digest, setting.early_stopping
        )
        self._decisions = Decisions(sweep)
        self._progress = SweepProgress()
        self._note = SweepNote(sweep, definition)
        self._result = SweepResult(sweep.run_id, driver.wanted)
        #: Whether the driver has not been asked since the history changed.
        self._ask = True
        self._waiting = False
        self._logged = 0

    def run(self) -> SweepResult:
        deliver_undelivered(self._setting.folder, self._setting.uri)
        self._read()
        with self._progress:
            if self._setting.budget.runs and (before := self._spent):
                told = f"{before} of its budget of {self._setting.budget.runs} runs were run before"
                self._progress.say(f"sweep: {told}")
            try:
                while not self._result.ended:
                    self._check()
                    self._result.ended = self._go_on()
            finally:
                with self._stop.whole(ends=True):
                    self._end_children()
        return self._result

    def _go_on(self) -> str:
        """Launch what there is room for and hear what the launcher tells; why the sweep is over, '' while it is not."""
        room = int(min(self._launcher.free, self._budget_left))
        if room > 0 and self._ask:
            self._decide(room)
        if self._active:
            self._listen()
            return ""
        elsewhere = 0
        if spent := self._setting.budget.spent(self._spent, self._known.spending.elsewhere):
            # Those that run elsewhere may yet be lost, and have to go on.
            elsewhere = self._known.spending.running_elsewhere(self._active.run_ids)
            if self._setting.budget.late or not elsewhere:
                return spent
        elif not self._ask:
            elsewhere = self._driver.running(self._known.history)
            if not elsewhere:
                return self._driver.done(self._known.history) or "nothing is left to propose"
        if elsewhere:
            self._tell_waiting(elsewhere)
            self._patiently(self._active.end_strays)
        elif not self._launcher.free:
            self._listen()  # what trained the last models has told their ends, and not yet that it is free
        time.sleep(SECONDS_BETWEEN_QUESTIONS if elsewhere else 0.2)
        self._read()
        return ""

    def _decide(self, room: int) -> None:
        """Ask the driver once, claim what it proposes, launch it."""
        done = self._driver.done(self._known.history)
        given_up = self._active.given_up
        self._ask = False
        known = with_pending(self._known.history, self._active.proposals, self._setting.data_digest)
        proposals = [] if done else self._driver.propose(known, room + len(given_up))
        proposals = [proposal for proposal in proposals if proposal.identity not in given_up]
        proposals = [proposal for proposal in proposals[:room] if self._is_there(proposal)]
        chosen: list[tuple[Proposal, str]] = []
        for proposal in proposals:
            try:
                with self._stop.whole():
                    active = self._begin(proposal)
                    self._launcher.submit(active.training)
            except Claimed as error:
                chosen.append((proposal, f"none: {error}"))
                self._progress.say(f"left to another process: {error}", once=True)
                self._ask = True  # once the history shows what the other one does
                self._known.at = 0.0
                continue
            chosen.append((proposal, active.training.run_id))
        if proposals or not self._active:
            self._decisions.add(known, chosen, done or "nothing to propose")

    def _begin(self, proposal: Proposal) -> ActiveRun:
        """Claim it, unless another start of this sweep has spent the budget at the same moment (`Claimed`)."""
        active = self._patiently(partial(self._active.begin, proposal, self._known.history))
        try:
            if active.training.run_id in self._patiently(partial(self._known.beyond, self._setting.budget.runs)):
                raise Claimed("another start of this sweep has spent the budget")
        except (StoreError, Interrupted):
            with contextlib.suppress(StoreError):
                self._active.withdraw(active)
            raise
        return active

    def _is_there(self, proposal: Proposal) -> bool:
        """Whether a model may be trained: not if this very sweep has, since then somebody has removed its run."""
        if not self._active.drop(proposal.identity):
            return True
        self._ask = True
        what = f"the run of {point_name(proposal.config)} is in the store no more, or its tags are others"
        self._progress.say(f"{what}: it is not trained again by this command")
        return False

    def _listen(self) -> None:
        ended = False
        doing = ""
        self._patiently(self._active.keep_alive)
        for outcome in self._launcher.outcomes(timeout=0.5):
            active = self._patiently(partial(self._active.update, outcome))
            doing = active.doing(outcome)
            if outcome.state != "progress":
                ended = True
                self._count(active, outcome)
        if ended or (self._launcher.free and time.monotonic() - self._known.at > _SECONDS_BETWEEN_READINGS):
            self._read()
        self._progress.show(self._standing(), doing, news=ended)
        if ended:
            self._log("running")

    def _count(self, active: ActiveRun, outcome: Outcome) -> None:
        """Note how a run ended, for the counts and for people."""
        if outcome.state == RunOutcome.CLAIMED:
            self._progress.say(f"left to another process: {outcome.text}", once=True)
        elif outcome.state == RunOutcome.LOST and not self._active.is_given_up(outcome):
            self._progress.say(f"{outcome.text}: its run goes on from its checkpoint")
        else:
            self._result.counts[outcome.state] += 1
            self._progress.note_duration(time.monotonic() - active.began)
            if outcome.state == RunOutcome.GONE:
                self._progress.say(f"{last_line(outcome.text)}; it is not trained again by this command")
            elif outcome.state != RunOutcome.FINISHED:
                self._progress.say(f"run {outcome.state}: {last_line(outcome.text)}")
            if outcome.state not in (RunOutcome.FINISHED, RunOutcome.ENDED_EARLY, RunOutcome.GONE):
                self._result.faults[outcome.job.identity] = outcome.text

    def _end_children(self) -> None:
        """Stop what still runs, and leave behind how the sweep stands."""
        self._active.end(partial(self._launcher.stop, lambda: self._stop.hurried))
        with contextlib.suppress(StoreError):
            self._known.look()
            self._take_in()
        error = sys.exception()
        self._log(f"ended: {self._result.ended}" if self._result.ended else f"stopped: {error}", ended=True)

    def _read(self) -> None:
        self._patiently(self._known.read)
        self._take_in()

    def _take_in(self) -> None:
        self._ask = True
        self._result.finished = self._known.finished

    def _check(self) -> None:
        self._stop.check()
        self._run.check()

    def _patiently(self, ask: Callable[[], AnswerT]) -> AnswerT:
        """What the store answers; one that is away is waited for: the children go on meanwhile."""
        return wait_for_store(ask, self._check, str(self._store.client.tracking_uri))

    @property
    def _spent(self) -> int:
        return self._known.spending.count(self._active.run_ids)

    @property
    def _budget_left(self) -> float:
        return self._setting.budget.left(self._spent)

    def _standing(self) -> Standing:
        finished = self._result.finished
        left = self._budget_left
        # The store may hold a run finished before its worker has told so.
        running = sum(proposal.identity not in self._known.identities for proposal in self._active.proposals)
        ended = sum(count for state, count in self._result.counts.items() if state != RunOutcome.FINISHED)
        total = min(self._result.wanted or math.inf, finished + running + ended + left)
        if self._result.wanted is not None:
            unfinished = self._result.wanted - finished - running - len(self._result.faults)
            left = min(left, max(0, unfinished) + self._known.further)
        seconds = self._progress.seconds_left(left + self._active.runs_left, self._launcher.free + len(self._active))
        bound = self._setting.budget.seconds_left
        return Standing(
            finished=finished,
            wanted=self._result.wanted,
            total=int(total) if math.isfinite(total) else None,
            running=running,
            counts=self._result.counts,
            best=self._known.best,
            seconds_left=min(seconds, bound) if seconds is not None else (bound if bound < float("inf") else None),
            situation=self._known.situation,
        )

    def _log(self, state: str, *, ended: bool = False) -> None:
        """How the sweep stands, into its run."""
        standing = self._standing()
        self._note.write(standing, state, ended=ended)
        numbers = {
            "sweep/finished": standing.finished,
            "sweep/running": standing.running,
            "sweep/failed": standing.failed,
            "sweep/ended_early": standing.counts.get(RunOutcome.ENDED_EARLY, 0),
        }
        self._logged += 1  # a journal takes one value a step
        if standing.wanted is not None:
            numbers["sweep/wanted"] = standing.wanted
        self._run.metrics({name: float(number) for name, number in numbers.items()}, step=self._logged)

    def _tell_waiting(self, runs: int) -> None:
        doing = f"waiting for {runs} run{'s' if runs > 1 else ''} of other processes"
        self._progress.show(self._standing(), doing, news=not self._waiting)
        self._waiting = True
