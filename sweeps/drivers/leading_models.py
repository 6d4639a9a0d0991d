"""Which models the answers of a sweep rest on: the best for each application, and the best whose βs are equal."""

__all__ = ["Leader", "Ranking", "leaders", "objective_application"]

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.bounds import chance
from analysis.frame import group_names, require, values
from analysis.recommendation.applications import SCORE, Application
from analysis.recommendation.objectives import Constraint, Objective
from analysis.recommendation.recommender import PSNR_TOLERANCE, scored
from analysis.recommendation.suited_application import suited_to
from analysis.settings import all_equal, beta_names
from hit.errors import StoreError


@dataclass(frozen=True)
class Leader:
    """A model that answers rest on.

    Attributes:
        group: of its runs, which differ in their seed alone.
        row: one of its finished runs.
        what: what it is the best of, in words.
    """

    group: str
    row: pd.Series
    what: str


@dataclass(frozen=True, eq=False)
class Ranking:
    """The models that serve an application, by the mean of their runs: one lucky run of several does not lead.

    Attributes:
        costs: group → mean of the application's score, negative where more of it is better; the best first.
        equal: groups among them whose βs are all equal, the best first.
        rows: a finished run of each group.
        ends: group → when its first run ended.
        noise: standard deviation of one run about the mean of its model, pooled over the models with several runs; 0
            where there are none.
    """

    costs: "pd.Series[float]"
    equal: list[str]
    rows: pd.DataFrame
    ends: pd.Series
    noise: float

    @classmethod
    def of(cls, rows: pd.DataFrame, application: Application, count: int) -> "Ranking | None":
        """From runs that compare; None where no run has the metrics, no model keeps the constraints, or none is better
        than chance."""
        application = suited_to(rows, application)
        names = [*application.metrics(count), *(["test/psnr"] if application.bounded else [])]
        try:
            measured = require(rows, *dict.fromkeys(names))
        except StoreError:
            return None
        measured = measured.sort_values(["end_time", "run_id"], ignore_index=True)
        groups = group_names(measured).astype(str)
        allowed = groups.map(_allowed(measured, groups, application))
        if not allowed.any():
            return None
        score = application.score(measured, count)
        costs = pd.Series(-score.sign * scored(score, measured, allowed), index=measured.index)
        noise = _pooled(costs, groups)
        means = costs[allowed].groupby(groups[allowed]).mean().sort_values(kind="stable")
        if not (application.objectives or application.weights):
            level = chance(measured, application.metric_of(count).name)
            if level is not None and -means.iloc[0] <= level:
                return None
        first = measured[~groups.duplicated()].set_axis(groups[~groups.duplicated()])
        known = set(beta_names(count)) <= set(first)
        equal = list(means.index[all_equal(first.loc[means.index], count)]) if known and count > 1 else []
        return cls(means, equal, first, first["end_time"], noise)

    def gained_by(self, newest: int) -> float:
        """By how much the newest models have improved on the best of those before, 0 or more; inf where none were."""
        order = self.ends[self.costs.index].sort_values(kind="stable").index
        before = order[: max(0, len(order) - newest)]
        return float(self.costs[before].min() - self.costs.iloc[0]) if len(before) else math.inf


def objective_application(objective: Objective, constraints: Sequence[Constraint]) -> Application:
    """An objective of a search as an application, whose score is in standard deviations over the runs."""
    weight = 1.0 if objective.direction == "maximize" else -1.0
    name = str(objective)
    return Application(name, SCORE, name, "maximize", weights=((objective.name, weight),), constraints=(*constraints,))


def leaders(ranked: Sequence[tuple[Application, Ranking]]) -> list[Leader]:
    """The leading models, each once, in the order of the applications.

    Args:
        ranked: applications, each with the models that serve it.
    """
    found: dict[str, list[str]] = {}
    rows: dict[str, pd.Series] = {}
    for application, ranking in ranked:
        best = str(ranking.costs.index[0])
        named = [(best, f"the best for {application.name}")]
        named += [(one, f"the best with equal β for {application.name}") for one in ranking.equal[:1] if one != best]
        for group, what in named:
            found.setdefault(group, []).append(what)
            rows[group] = pd.Series(ranking.rows.loc[group])
    return [Leader(group, rows[group], ", ".join(what)) for group, what in found.items()]


def _allowed(rows: pd.DataFrame, groups: pd.Series, application: Application) -> "pd.Series[bool]":
    """Group → whether the means of its runs keep the constraints."""
    kept = pd.Series(True, index=sorted(set(groups)))
    for bound in application.constraints:
        means = values(rows, bound.name).groupby(groups).mean()
        kept &= pd.Series(bound.excess(means) <= 0, index=means.index)
    if application.bounded:
        means = values(rows, "test/psnr").groupby(groups).mean()
        kept &= means >= means.max() - PSNR_TOLERANCE
    return kept


def _pooled(costs: pd.Series, groups: pd.Series) -> float:
    """Standard deviation within the groups."""
    left = costs - costs.groupby(groups).transform("mean")
    freedom = len(costs) - groups.nunique()
    return float(np.sqrt((left**2).sum() / freedom)) if freedom else 0.0
