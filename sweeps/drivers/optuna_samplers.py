"""Optuna's samplers over a study that is rebuilt in memory from the history at every decision."""

__all__ = ["Trials", "suggest"]

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    NSGAIIISampler,
    NSGAIISampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import FrozenTrial, TrialState, create_trial
from scipy.stats import qmc

from analysis.recommendation.objectives import Objective, non_dominated
from analysis.recommendation.reach import thinned
from hit.runs.optuna_pruners import quiet_optuna
from sweeps.spec.driver_options import Sampler
from sweeps.spec.search_space import Dimension

Floats = npt.NDArray[np.float64]

#: Finished runs that a sampler learns from at most: a Gaussian process takes time with their cube. Those kept are the
#: best ones, and then those that lie far from the ones that are kept already.
_MOST = {"gp": 60, "tpe": 200, "nsga2": 200, "nsga3": 200, "cmaes": 200}
#: Parents of what NSGA-II and NSGA-III propose: the best runs that there are.
_POPULATION = 10


@dataclass(frozen=True, eq=False)
class Trials:
    """The history as a search sees it.

    Attributes:
        params: values of the dimensions of finished runs that have all objectives.
        values: objectives of these runs, N×D, in their own units.
        errors: their standard errors, NaN where they are not known. They are told, and no sampler is given them.
        excess: by how much each constraint is broken, N×K; 0 or less where it is kept.
        pending: values of the dimensions of runs on their way.
        failed: the same of runs that failed or diverged.
        seen: how many runs there are in all; decides the seed.
    """

    params: list[dict[str, Any]]
    values: Floats
    errors: Floats
    excess: Floats
    pending: list[dict[str, Any]]
    failed: list[dict[str, Any]]
    seen: int

    @property
    def feasible(self) -> npt.NDArray[np.bool_]:
        """Which finished runs keep all constraints."""
        return np.asarray((self.excess <= 0).all(1))


def suggest(
    sampler: Sampler, trials: Trials, objectives: tuple[Objective, ...], dimensions: tuple[Dimension, ...]
) -> Iterator[tuple[dict[str, Any], bool]]:
    """Suggestions without end, each taking those before it as on their way; and whether the sampler made it.

    No sampler is told how certain an objective is. Optuna's take one number a trial; `GPSampler` alone has a noise: one
    for all trials, with a lower bound, learned from them unless it is said to be zero. Standard errors of metrics are
    no such bound: they are those of other test images, which runs that are measured on the same images share in part.
    What parts runs of one place, their seeds and the draws of their latents, the process learns.

    Until there are a few runs a dimension, and for `qmc`, suggestions are points of a Sobol sequence.

    Args:
        sampler: its name.
        trials: the history.
        objectives: one for `cmaes`, one or more for the others.
        dimensions: of the search space.
    """
    sobol = _sobol(dimensions, trials.seen)
    if sampler == "qmc" or len(trials.params) < max(2 * len(dimensions) + 4, 10):
        yield from ((values, sampler == "qmc") for values in sobol)
        return
    distributions = {one.name: _distribution(one) for one in dimensions}
    signs = np.array([one.sign for one in objectives])
    kept = _kept(trials, signs, dimensions, _MOST.get(sampler, len(trials.params)))
    completed = [
        create_trial(
            params=trials.params[index],
            distributions=distributions,
            values=trials.values[index].tolist(),
            constraints={str(place): float(excess) for place, excess in enumerate(trials.excess[index])} or None,
            # One generation: the parents of the next are the best runs that there are.
            system_attrs={f"{kind.__name__}:generation": 0 for kind in (NSGAIISampler, NSGAIIISampler)},
        )
        for index in kept
    ]
    others = [
        create_trial(state=state, params=params, distributions=distributions)
        for state, some in ((TrialState.RUNNING, trials.pending), (TrialState.FAIL, trials.failed))
        for params in some
    ]
    with quiet_optuna(), _quiet():
        study = optuna.create_study(
            directions=[one.direction for one in objectives], sampler=_sampler(sampler, trials, completed)
        )
        study.add_trials([*completed, *others])
    while True:
        with _quiet():
            asked = study.ask(distributions)
        yield dict(asked.params), True


class _QuickGPSampler(GPSampler):  # type: ignore[misc]
    """Optuna's Gaussian processes with a coarser search for the best next point, and fits that are made once.

    With the usual numbers a decision for three objectives takes up to 20 s of CPU time at 100 trials, nearly all of
    it for the improvement of 2048 × 128 draws over a large front. An Optuna that calls these numbers otherwise
    searches at its usual pace.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed, n_startup_trials=1, warn_independent_sampling=False)
        self._n_preliminary_samples = 256
        self._n_local_search = 4
        self._n_qmc_samples_ehvi = self._n_qmc_samples_qei = 32

    def _get_constraints_acqf_args(self, constraint_vals: Floats, *rest: Any) -> tuple[list[Any], list[float]]:
        """A bound on a metric that is an objective, or has another bound, is the same process, mirrored or moved:
        its fit begins where that one's ended."""
        fitted: list[Any] = []
        thresholds: list[float] = []
        for values in constraint_vals.T:
            alike = (one for one in [*(self._gprs_cache_list or []), *fitted] if _mirrored(one._y_train, values))
            twin = next(alike, None)
            self._constraints_gprs_cache_list = [twin] if twin is not None else None
            own, bounds = super()._get_constraints_acqf_args(values[:, None], *rest)
            fitted += own
            thresholds += bounds
        return fitted, thresholds


def _mirrored(standardised: Any, values: Floats) -> bool:
    """Whether values are, but for their sign, mean and scale, those of a process."""
    others = standardised.numpy()[:, 0]
    return bool(np.allclose(np.abs(others), np.abs(values - values.mean()) / max(values.std(), 1e-10), atol=1e-6))


def _sampler(name: Sampler, trials: Trials, completed: list[FrozenTrial]) -> BaseSampler:
    seed = trials.seen
    match name:
        case "gp":
            return _QuickGPSampler(seed)
        case "tpe":
            return TPESampler(seed=seed, n_startup_trials=1, constant_liar=True, warn_independent_sampling=False)
        case "nsga2":
            return NSGAIISampler(seed=seed, population_size=_POPULATION)
        case "nsga3":
            return NSGAIIISampler(seed=seed, population_size=_POPULATION)
        case "cmaes":
            # The distribution begins where the best tenth of the runs lie, at every decision anew.
            return CmaEsSampler(seed=seed, source_trials=completed, warn_independent_sampling=False)
        case _:
            return RandomSampler(seed=seed)


def _kept(trials: Trials, signs: Floats, dimensions: tuple[Dimension, ...], most: int) -> list[int]:
    """Indices of the finished runs that a sampler learns from."""
    if len(trials.params) <= most:
        return list(range(len(trials.params)))
    places = np.array([[one.place(params[one.name]) for one in dimensions] for params in trials.params])
    feasible = np.flatnonzero(trials.feasible)
    values = trials.values * signs
    if len(feasible):
        best = feasible[non_dominated(values[feasible])]
    else:  # nothing is allowed yet: what is nearest to it
        best = np.maximum(trials.excess, 0).sum(1).argsort(kind="stable")[: most // 2]
    best = best[thinned(np.concatenate([places[best], _unit(values[best])], 1), most // 2)]
    others = np.setdiff1d(np.arange(len(places)), best)
    rest = others[thinned(places[others], most - len(best))]
    return sorted([*best.tolist(), *rest.tolist()])


def _unit(values: Floats) -> Floats:
    return np.asarray((values - values.min(0)) / np.maximum(np.ptp(values, axis=0), 1e-12))


def _sobol(dimensions: tuple[Dimension, ...], skipped: int) -> Iterator[dict[str, Any]]:
    sequence = qmc.Sobol(len(dimensions), seed=0)
    if skipped:
        sequence.fast_forward(skipped)
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a sequence is even from any point on, if not as much
            point = sequence.random(1)[0]
        yield {one.name: one.at(float(place)) for one, place in zip(dimensions, point, strict=True)}


def _distribution(one: Dimension) -> BaseDistribution:
    if one.choices:
        return CategoricalDistribution(one.choices)
    if one.whole:
        return IntDistribution(int(one.low), int(one.high), log=one.log)
    return FloatDistribution(one.low, one.high, log=one.log)


def _quiet() -> "warnings.catch_warnings[None]":
    """What is experimental to Optuna, and how it falls back, says nothing to a user of a sweep."""
    return warnings.catch_warnings(action="ignore")
