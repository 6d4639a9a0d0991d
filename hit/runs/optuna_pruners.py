"""Optuna's pruners, asked about runs of the store. Optuna takes a while to import: it is, where a pruner is asked."""

__all__ = ["PrunerStudy", "quiet_optuna"]

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

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


class PrunerStudy:
    """What a pruner knows of the runs, kept from one question to the next: a block asks for each of its runs.

    Where the traces are not those of the question before, and what came since, the study is made anew: what is kept
    changes no answer.

    Args:
        rule: the pruner.
        epochs: of a whole run.
    """

    def __init__(self, rule: PrunerRule, epochs: int) -> None:
        self._rule, self._epochs = rule, epochs
        #: Only these have a memory of what they saw before, of which every rung's first look is a part.
        self._remembers = rule.name in ("halving", "hyperband")
        self._rungs = _rungs(_first_rung(rule.numbers, epochs), epochs) if self._remembers else set[int]()
        #: What the study was told, in order, and its trials by run.
        self._seen: list[tuple[Any, ...]] = []
        self._trials: dict[str, optuna.Trial] = {}
        self._study = self._anew()

    def prunes(self, traces: Sequence[Trace], subject: str) -> bool:
        """Whether the run `subject` should end.

        Args:
            traces: of all comparable runs, the subject's among them, in the order in which they began.
            subject: its run id.
        """
        (own,) = (trace for trace in traces if trace.run_id == subject)
        return self._at_a_rung(traces, own) if self._remembers else self._beside_finished(traces, own)

    def _beside_finished(self, traces: Sequence[Trace], own: Trace) -> bool:
        """By a pruner that looks at the runs that have finished, or at none."""
        last = max(own.values)
        finished = [one for one in traces if one.status == "FINISHED" and one.values and one is not own]
        if self._rule.name == "threshold":
            finished = []
        elif len(finished) < _STARTUP_RUNS:
            return False
        seen: list[tuple[Any, ...]] = [
            (one.run_id, last, one.values.get(last), one.values[max(one.values)]) for one in finished
        ]
        if seen != self._seen:
            self._study, self._seen = self._anew(), seen
            for _, _, value, final in seen:
                trial = self._study.ask()
                if value is not None:
                    trial.report(value, last)
                self._study.tell(trial, final)
        trial = self._study.ask()
        for step, value in own.values.items():
            trial.report(value, step)
        return bool(trial.should_prune())

    def _at_a_rung(self, traces: Sequence[Trace], own: Trace) -> bool:
        """By a pruner that looks at what all runs had at a few epochs, in the order in which they had it."""
        last = max(own.values)
        if last not in self._rungs:
            return False
        events: list[tuple[Any, ...]] = sorted(
            (trace.times[step], step, trace.run_id, trace.values[step])
            for trace in traces
            for step in self._rungs & trace.values.keys()
        )
        own_event = (own.times[last], last, own.run_id, own.values[last])
        events.remove(own_event)
        ids = [trace.run_id for trace in traces]
        if events[: len(self._seen)] != self._seen or ids[: len(self._trials)] != list(self._trials):
            self._study = self._anew()
        for run_id in ids[len(self._trials) :]:
            self._trials[run_id] = self._study.ask()
        pruned = False
        for event in [*events[len(self._seen) :], own_event]:
            _, step, run_id, value = event
            self._trials[run_id].report(value, step)
            pruned = self._trials[run_id].should_prune()
            self._seen.append(event)
        return bool(pruned)

    def _anew(self) -> optuna.Study:
        self._seen, self._trials = [], {}
        with quiet_optuna():
            return optuna.create_study(
                study_name="hit",
                sampler=RandomSampler(seed=0),
                pruner=_MAKERS[self._rule.name](self._rule.numbers, self._epochs),
                direction=metric(self._rule.metric).direction or "minimize",
            )


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
