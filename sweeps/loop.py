"""Query the store, let the driver propose, launch, until nothing is left or the budget is spent."""

__all__ = ["SweepResult", "run_sweep"]

import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from hit.errors import StoreAway
from hit.recovery import deliver_leftovers, end_lost
from hit.schema import Kind
from hit.state import run_folder
from hit.stop import StopRequest
from hit.store import Store
from hit.tracking import RunWriter
from hit.workers import Job, Outcome, WorkerPool
from sweeps.driver import Driver, Proposal
from sweeps.launch import train

_TIMES_A_LOST_RUN_IS_TRIED = 3
_SECONDS_BETWEEN_QUESTIONS = 2.0


@dataclass
class SweepResult:
    """What came of a sweep.

    Attributes:
        run_id: the sweep's own run.
        wanted: how many runs the driver wanted in all, if it knows.
        finished: how many of them the store holds now.
        counts: outcomes of the runs that this call started.
        faults: identity → why its run failed or diverged.
        waited: whether it waited for runs of other processes.
    """

    run_id: str
    wanted: int | None
    finished: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    faults: dict[str, str] = field(default_factory=dict)
    waited: bool = False


def run_sweep(
    driver: Driver,
    sweep: RunWriter,
    *,
    experiment: str,
    folder: Path,
    workers: int,
    budget: int,
    stop: StopRequest,
    uri: str | None = None,
) -> SweepResult:
    """Run a driver's proposals in a pool of processes, each a child of the sweep's run.

    Everything is asked of the store, so a sweep that was killed is simply started again: what is finished
    is left out, and what was interrupted goes on from its checkpoint under the same run.

    Args:
        driver: decides what to run.
        sweep: the sweep's own run.
        experiment: name of the experiment of the children.
        folder: journals and checkpoints of this machine.
        workers: processes; they divide the machine's threads.
        budget: at most so many runs are started; 0 for no bound.
        stop: SIGTERM and Ctrl-C end the children cleanly.
        uri: the store.

    Raises:
        StoreError: the store does not answer.
        Interrupted: `stop` was requested; the children ended as KILLED.
    """
    store = Store(uri)
    deliver_leftovers(folder, uri)
    result = SweepResult(sweep.run_id, driver.wanted)
    history = _history(store, experiment, stop)
    # All that was ever proposed here: a run that has just started may not be in the store yet.
    tried: Counter[str] = Counter()
    given_up: set[str] = set()
    in_flight: dict[str, Proposal] = {}
    bar = tqdm(total=driver.wanted, initial=driver.finished(history), unit="run", desc="sweep", disable=None)
    with bar, WorkerPool(workers) as pool:
        while True:
            stop.check()
            left = budget - sum(result.counts.values()) - len(in_flight) if budget else pool.free
            for proposal in _choose(driver, history, given_up | in_flight.keys(), min(pool.free, left)):
                tried[proposal.identity] += 1
                in_flight[proposal.identity] = proposal
                pool.submit(_job(proposal, history, folder, experiment, uri, sweep.run_id))
            if not in_flight:
                elsewhere = driver.running(history)
                if not elsewhere or (budget and left <= 0):
                    break
                _tell_waiting(bar, elsewhere, result)
                time.sleep(_SECONDS_BETWEEN_QUESTIONS)
                history = _history(store, experiment, stop)
                _advance(bar, driver.finished(history))
                continue
            ended = False
            for outcome in pool.outcomes(timeout=0.5):
                bar.set_postfix_str(_doing(in_flight[outcome.job.identity], outcome), refresh=False)
                bar.refresh()
                if outcome.state == "progress":
                    continue
                ended = True
                identity = outcome.job.identity
                proposal = in_flight.pop(identity)
                if outcome.state == "lost" and tried[identity] < _TIMES_A_LOST_RUN_IS_TRIED:
                    tqdm.write(f"{outcome.text}: its run goes on from its checkpoint", file=sys.stderr)
                elif outcome.state == "claimed":
                    tqdm.write(f"left to another process: {outcome.text}", file=sys.stderr)
                elif outcome.state == "finished":
                    result.counts["finished"] += 1
                    if bar.disable:  # no terminal to draw a bar on
                        print(f"sweep: {_doing(proposal, outcome)}", file=sys.stderr, flush=True)
                else:
                    result.counts[outcome.state] += 1
                    given_up.add(identity)
                    result.faults[identity] = outcome.text
                    tqdm.write(f"run {outcome.state}: {outcome.text.strip().splitlines()[-1]}", file=sys.stderr)
            if ended:
                history = _history(store, experiment, stop)
                _advance(bar, driver.finished(history))
                sweep.metrics(_state(driver, history, result), step=sum(result.counts.values()))
        result.finished = driver.finished(history)
    sweep.metrics(_state(driver, history, result), step=sum(result.counts.values()))
    return result


def _history(store: Store, experiment: str, stop: StopRequest) -> pd.DataFrame:
    """All models of the experiment, after the runs that have nobody behind them were marked as lost.

    A store that is away is waited for: the children go on meanwhile.
    """
    told = False
    while True:
        stop.check()
        try:
            end_lost(store, experiment)
            return store.history(experiment, kind=Kind.TRAIN)
        except StoreAway as error:
            if not told:
                tqdm.write(f"waiting for the store: {error}", file=sys.stderr)
            told = True
            time.sleep(_SECONDS_BETWEEN_QUESTIONS)


def _advance(bar: "tqdm[Any]", finished: int) -> None:
    """Other processes' runs count, too."""
    bar.update(finished - bar.n)


def _tell_waiting(bar: "tqdm[Any]", runs: int, result: SweepResult) -> None:
    doing = f"waiting for {runs} run{'s' if runs > 1 else ''} of other processes"
    if bar.disable and not result.waited:
        print(f"sweep: {doing}", file=sys.stderr, flush=True)
    result.waited = True
    bar.set_postfix_str(doing)


def _choose(driver: Driver, history: pd.DataFrame, taken: set[str], n: int) -> list[Proposal]:
    if n <= 0:
        return []
    proposals = driver.propose(history, n + len(taken))
    return [proposal for proposal in proposals if proposal.identity not in taken][:n]


def _job(proposal: Proposal, history: pd.DataFrame, folder: Path, experiment: str, uri: str | None, sweep: str) -> Job:
    arguments: Mapping[str, Any] = {
        "config": proposal.config,
        "experiment": experiment,
        "uri": uri,
        "sweep": sweep,
        "exclusive": True,
        "run_id": _interrupted_run(proposal.identity, history, folder),
    }
    return Job(proposal.identity, train, dict(arguments))


def _interrupted_run(identity: str, history: pd.DataFrame, folder: Path) -> str | None:
    """A run of this config that ended badly and left a checkpoint here: it goes on under its own id."""
    unfinished = history[(history["config_hash"] == identity) & history["status"].isin(["KILLED", "FAILED"])]
    for run_id in reversed(list(unfinished["run_id"])):
        if (run_folder(folder, run_id) / "checkpoint.safetensors").exists():
            return str(run_id)
    return None


def _doing(proposal: Proposal, outcome: Outcome) -> str:
    betas = ", ".join(f"{beta:.3g}" for beta in proposal.config.betas)
    epochs = f"epoch {outcome.epoch}/{proposal.config.epochs}" if outcome.state == "progress" else outcome.state
    what = outcome.text if outcome.text == "evaluating" else epochs
    return f"β=({betas}) {what}"


def _state(driver: Driver, history: pd.DataFrame, result: SweepResult) -> dict[str, float]:
    state = {
        "sweep/finished": float(driver.finished(history)),
        "sweep/failed": float(sum(result.counts.values()) - result.counts["finished"]),
    }
    if driver.wanted is not None:
        state["sweep/wanted"] = float(driver.wanted)
    return state
