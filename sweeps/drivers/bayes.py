"""The bayes driver: a sampler proposes what may improve the objectives, by all that the store holds."""

__all__ = ["BayesDriver"]

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.frame import data_form, errors, require
from analysis.frame import values as numbers
from analysis.recommendation.objectives import Constraint, Objective
from hit.errors import ConfigError, StoreError
from hit.schema import described
from sweeps.drivers.comparable_runs import comparable
from sweeps.drivers.driver import Driver, Proposal, once
from sweeps.drivers.hypervolume import hypervolume
from sweeps.drivers.optuna_samplers import Trials, suggest
from sweeps.spec.driver_options import Sampler
from sweeps.spec.search_space import SearchSpace

Floats = npt.NDArray[np.float64]

#: Suggestions in a row that were run already, or cannot be, before a search space counts as exhausted.
_PATIENT = 200
#: The hypervolume has to grow by more than this share of it to count as improved.
_IMPROVED = 1e-3


class BayesDriver(Driver):
    """Asks a sampler, whose trials are the finished, running and failed runs of the history, whoever started them.

    A run counts that differs from the base in nothing but the dimensions of the space and the seed. Constraints
    that no run keeps yet are worked towards, and told in the reason of each proposal.

    Args:
        space: what may be varied.
        objectives: one or more.
        constraints: bounds that are to hold.
        sampler: which sampler; see `sweeps.drivers.optuna_samplers`.
        patience: the goal is reached when so many runs in a row have not improved the hypervolume; 0: never.
        data_digest: of the data set, part of every identity.

    Raises:
        ConfigError: the sampler cannot do what is asked of it.
    """

    def __init__(
        self,
        space: SearchSpace,
        objectives: Sequence[Objective],
        constraints: Sequence[Constraint],
        sampler: Sampler,
        patience: int,
        data_digest: str,
    ) -> None:
        if sampler == "cmaes" and (len(objectives) > 1 or constraints):
            raise ConfigError(
                "sampler must be another one than cmaes for several objectives, constraints or a region, got 'cmaes'"
            )
        if sampler == "cmaes" and any(one.choices for one in space.dimensions):
            raise ConfigError("sampler must be another one than cmaes where a field has choices, got 'cmaes'")
        if sampler == "cmaes" and len(space.dimensions) < 2:
            raise ConfigError("sampler must be another one than cmaes for a single dimension, got 'cmaes'")
        self._space = space
        self._objectives = tuple(objectives)
        self._constraints = tuple(constraints)
        self._sampler = sampler
        self._patience = patience
        self._digest = data_digest

    @property
    def wanted(self) -> int | None:
        return None

    @once
    def mine(self, history: pd.DataFrame) -> pd.DataFrame:
        rows = comparable(history, self._space.base, self._digest, self._space.fields)
        return rows.iloc[self._space.inside(rows)[0]] if len(rows) else rows

    def propose(self, history: pd.DataFrame, n: int) -> list[Proposal]:
        taken = set(self.taken(history))
        trials = self._trials(history)
        proposals: list[Proposal] = []
        refused = 0
        suggestions = suggest(self._sampler, trials, self._objectives, self._space.dimensions)
        while len(proposals) < n and refused < _PATIENT:
            suggested, learned = next(suggestions)
            try:
                config = self._space.config(suggested)
            except ConfigError:  # fields that each may have but that do not go together
                refused += 1
                continue
            identity = config.identity(self._digest)
            if identity in taken:
                refused += 1
                continue
            taken.add(identity)
            refused = 0
            proposals.append(Proposal(config, identity, self._reason(trials, learned)))
        return proposals

    def done(self, history: pd.DataFrame) -> str:
        trials = self._trials(history)
        if not self._patience or len(trials.params) <= self._patience or not trials.feasible.any():
            return ""
        values = trials.values * self._signs
        low, extent = values[trials.feasible].min(0), np.ptp(values[trials.feasible], axis=0)
        values = (values - low) / np.maximum(extent, 1e-12)
        reference = np.full(values.shape[1], 1.1)  # so that the ends of the front count
        earlier = trials.feasible & (np.arange(len(values)) < len(values) - self._patience)
        before, after = (hypervolume(values[some], reference) for some in (earlier, trials.feasible))
        if after > before * (1 + _IMPROVED):
            return ""
        return f"the last {self._patience} runs have not improved {self._aims}"

    def situation(self, history: pd.DataFrame) -> str:
        trials = self._trials(history)
        if not trials.feasible.any():
            return self._unmet(trials)
        values, known = trials.values[trials.feasible], trials.errors[trials.feasible]
        best, form = (values * self._signs).argmin(0), data_form(self.mine(history))
        metrics = [described(one.name).of(form) for one in self._objectives]
        told = [
            f"{one.label} {_told(values[run, at], known[run, at])} {one.unit}".rstrip()
            for at, (one, run) in enumerate(zip(metrics, best, strict=True))
        ]
        return f"best{' of each' if len(told) > 1 else ''} so far: {', '.join(told)}"

    @property
    def _signs(self) -> Floats:
        return np.array([one.sign for one in self._objectives])

    @property
    def _aims(self) -> str:
        return ", ".join(map(str, self._objectives))

    def _reason(self, trials: Trials, learned: bool) -> str:
        told = f"{self._sampler} on {len(trials.params)} finished, {len(trials.pending)} running: {self._aims}"
        if not learned:
            told = f"evenly over the space: {len(trials.params)} finished runs are too few for {self._sampler}"
        unmet = self._unmet(trials)
        return f"{told}; {unmet}" if unmet else told

    def _unmet(self, trials: Trials) -> str:
        """What no run keeps yet, in words; empty where some run keeps everything."""
        if not trials.params:
            return "no run has finished yet" if not self._constraints else "no run has met a constraint yet: exploring"
        if trials.feasible.any():
            return ""
        alone = [
            str(one) for one, excess in zip(self._constraints, trials.excess.T, strict=True) if not (excess <= 0).any()
        ]
        return f"no run has met {', '.join(alone) or 'all constraints together'} yet: exploring"

    @once
    def _trials(self, history: pd.DataFrame) -> Trials:
        """The runs of the space; finished ones in the order in which they ended."""
        rows = comparable(history, self._space.base, self._digest, self._space.fields)
        rows = rows.assign(place=np.arange(len(rows)))
        places, params = self._space.inside(rows) if len(rows) else (np.empty(0, np.intp), [])
        known = dict(zip(places.tolist(), params, strict=True))
        rows = rows.iloc[places]
        names = [*(one.name for one in self._objectives), *(one.name for one in self._constraints)]
        try:
            complete = require(rows, *names).sort_values(["end_time", "run_id"], ignore_index=True)
        except StoreError:  # nothing has finished, or lacks what is asked for
            complete = rows.iloc[:0]
        table = np.column_stack([numbers(complete, name) for name in names]) if names else np.empty((0, 0))
        split = len(self._objectives)
        excess = [one.excess(table[:, split + place]) for place, one in enumerate(self._constraints)]
        running = rows[rows["status"] == "RUNNING"]
        failed = rows[rows["status"].isin(["FAILED", "KILLED"])]
        return Trials(
            params=[known[place] for place in complete["place"]],
            values=table[:, :split],
            errors=np.column_stack([errors(complete, one.name) for one in self._objectives]),
            excess=np.column_stack(excess) if excess else np.empty((len(complete), 0)),
            pending=[known[place] for place in running["place"]],
            failed=[known[place] for place in failed["place"]],
            seen=len(rows),
        )


def _told(value: float, error: float) -> str:
    """A number with its standard error, where that is known."""
    return f"{value:.4g} ± {error:.1g}" if error > 0 else f"{value:.4g}"
