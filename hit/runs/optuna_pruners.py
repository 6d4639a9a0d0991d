"""Optuna's pruners, asked about runs of the store. Optuna takes a while to import: it is, where a pruner is asked."""

__all__ = ["prunes", "quiet_optuna"]

import contextlib
from collections.abc import Callable, Iterator, Sequence

import optuna
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
    ThresholdPruner,
)
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from hit.config.early_stopping import PrunerRule
from hit.runs.pruning import Trace
from hit.schema import metric

_STARTUP_RUNS = 5
_REDUCTION = 3

#: How a pruner is made from the numbers after its name and the epochs of a run.
_MAKERS: dict[str, Callable[[Sequence[float], int], BasePruner]] = {
    "median": lambda numbers, epochs: MedianPruner(_STARTUP_RUNS, _warmup(numbers, epochs)),
    "percentile": lambda numbers, epochs: PercentilePruner(numbers[0], _STARTUP_RUNS, _warmup(numbers[1:], epochs)),
    "halving": lambda numbers, epochs: SuccessiveHalvingPruner(
        _first_rung(numbers, epochs), reduction_factor=_REDUCTION
    ),
    "hyperband": lambda numbers, epochs: HyperbandPruner(
        _first_rung(numbers, epochs), epochs, reduction_factor=_REDUCTION
    ),
    "threshold": lambda numbers, epochs: ThresholdPruner(lower=numbers[0], upper=numbers[1]),
}


@contextlib.contextmanager
def quiet_optuna() -> Iterator[None]:
    """Without Optuna's line for every study that is made; how much it says is left as it was."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def prunes(rule: PrunerRule, traces: Sequence[Trace], subject: str, epochs: int) -> bool:
    """Whether the run `subject` should end.

    The study is rebuilt from the traces each time: nothing is kept between two questions.

    Args:
        rule: the pruner.
        traces: of all comparable runs, the subject's among them, in the order in which they began.
        subject: its run id.
        epochs: of a whole run.
    """
    with quiet_optuna():
        study = optuna.create_study(
            study_name="hit",
            sampler=RandomSampler(seed=0),
            pruner=_MAKERS[rule.name](rule.numbers, epochs),
            direction=metric(rule.metric).direction or "minimize",
        )
    # Only these have a memory of what they saw before, of which every rung's first look is a part.
    remembers = rule.name in ("halving", "hyperband")
    rungs = _rungs(_first_rung(rule.numbers, epochs), epochs) if remembers else set()
    trials = {trace.run_id: study.ask() for trace in traces}
    (own,) = (trace for trace in traces if trace.run_id == subject)
    last = max(own.values)
    events = sorted(
        (trace.times[step], step, trace.run_id)
        for trace in traces
        for step in trace.values
        if step in rungs or trace is own or (step == last and not remembers)
    )
    values = {trace.run_id: trace.values for trace in traces}
    for _, step, run_id in events:
        trial = trials[run_id]
        if (run_id, step) == (subject, last):
            continue
        trial.report(values[run_id][step], step)
        if remembers and step in rungs:
            trial.should_prune()
    for trace in traces:
        if trace.status == "FINISHED" and trace.values and trace is not own:
            study.tell(trials[trace.run_id], trace.values[max(trace.values)])
        elif trace.status == "KILLED":
            study.tell(trials[trace.run_id], state=TrialState.PRUNED)
    trials[subject].report(own.values[last], last)
    return bool(trials[subject].should_prune())


def _warmup(numbers: Sequence[float], epochs: int) -> int:
    return 1 + (int(numbers[0]) if numbers else epochs // 4)  # Optuna counts from 0


def _first_rung(numbers: Sequence[float], epochs: int) -> int:
    return max(1, int(numbers[0]) if numbers else epochs // _REDUCTION**2)


def _rungs(first: int, epochs: int) -> set[int]:
    rungs = set()
    while first <= epochs:
        rungs.add(first)
        first *= _REDUCTION
    return rungs
