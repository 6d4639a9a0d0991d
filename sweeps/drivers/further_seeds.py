"""Further seeds of the models that answers rest on: the same config but for the seed, so that noise can be told."""

__all__ = ["FurtherSeeds"]

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from analysis.frame import group_names
from analysis.recommendation.applications import Application
from hit.config import TrainConfig
from hit.config.field_roles import Role, role_of
from hit.config.rates.rate_region import RateRegion
from hit.config.rates.rate_targets import TARGET
from hit.errors import ConfigError
from sweeps.drivers.driver import Driver, Proposal
from sweeps.drivers.leading_models import Leader, Ranking, leaders
from sweeps.drivers.run_rates import measured_rates

#: Seeds of one model, the first among them: three tell a spread, if a rough one.
_SEEDS = 3
#: What drivers vary.
_VARIED = (Role.RATES, Role.ARCHITECTURE, Role.OBJECTIVE, Role.TRAINING)
#: One further seed tells no gain, which compares two models.
_FEWEST = 2
#: The best model for an application, and the best with equal β.
_LEADERS = 2
#: Models before a search has a leader whose noise matters, and those that are the newest.
_PLACES, _NEWEST = 10, 5


class FurtherSeeds(Driver):
    """Another driver, some of whose models are trained with another seed.

    A model leads that is the best for an application, or the best with equal β; models are compared by the mean of
    their runs. Those that lead get further seeds, the one with the fewest first, up to three each, and together at most
    `share` of the models that are there.

    Where the other driver has an end of its own (a grid, a region to be filled), they come when nothing of it is left
    or running: until then place decides. That a run missed its rate targets, or the cell it was meant for, is no reason
    for another seed: the controller steers every seed to the same targets, so that what misses is the targets, and at
    fixed β a neighbouring β lands elsewhere as well as another seed does.

    A search has no such end. There, another seed comes when the newest models have improved on the best by no more than
    a seed changes: noise then decides more than place. What a seed changes is the spread between seeds, pooled over all
    models with several; until there are such models, it counts as nothing, and the newest models must not have improved
    at all.

    Args:
        inner: who chooses the models.
        base: config of its models but for what it varies.
        applications: what models are for.
        share: of its models, as many further seeds at most.
        data_digest: of the data set, part of every identity.
        region: of rate space, the only one of interest; None: all.
        searches: whether the driver has no end of its own.
    """

    def __init__(
        self,
        inner: Driver,
        base: TrainConfig,
        applications: Sequence[Application],
        share: float,
        data_digest: str,
        region: RateRegion | None = None,
        *,
        searches: bool = False,
    ) -> None:
        self._inner = inner
        self._base = base
        self._applications = tuple(applications)
        self._share = share
        self._digest = data_digest
        self._region = region
        self._searches = searches

    @property
    def wanted(self) -> int | None:
        return self._inner.wanted

    def mine(self, history: pd.DataFrame) -> pd.DataFrame:
        own = self._inner.mine(history)
        if "group" not in history or own.empty:
            return own
        return history[history["config_hash"].isin(own["config_hash"]) | history["group"].isin(own["group"].dropna())]

    def finished(self, history: pd.DataFrame) -> int:
        return self._inner.finished(history)

    def further(self, history: pd.DataFrame) -> int:
        most = math.floor(self._share * (self._inner.wanted or 0))
        if self._searches or most < _FEWEST:
            return 0
        most = min(most, _LEADERS * (_SEEDS - 1) * len(self._applications))
        return max(0, most - len(self._trained(self.mine(history), "FINISHED", "RUNNING")))

    def propose(self, history: pd.DataFrame, n: int) -> list[Proposal]:
        if self._searches:
            seeds = self._further(history, n)
            known = {one.identity for one in seeds}
            rest = self._inner.propose(history, n) if len(seeds) < n else []
            return [*seeds, *(one for one in rest if one.identity not in known)][:n]
        proposals = self._inner.propose(history, n)
        return proposals or self._further(history, n)

    def done(self, history: pd.DataFrame) -> str:
        reason = self._inner.done(history)
        return "" if reason and self._further(history, 1) else reason

    def situation(self, history: pd.DataFrame) -> str:
        rows = self.mine(history)
        count = len(self._trained(rows, "FINISHED"))
        further = f"{count} further seed{'' if count == 1 else 's'}" if count else ""
        return ", ".join(filter(None, [self._inner.situation(history), further]))

    def _further(self, history: pd.DataFrame, n: int) -> list[Proposal]:
        """Up to n further seeds that are due."""
        rows = self.mine(history)
        if rows.empty or "group" not in rows or not self._due(rows):
            return []
        taken = set(self.taken(history))
        models = group_names(rows[rows["status"] == "FINISHED"]).nunique()
        most = math.floor(self._share * models)
        left = most - len(self._trained(rows, "FINISHED", "RUNNING")) if most >= _FEWEST else 0
        there = rows[rows["status"].isin(["FINISHED", "RUNNING"])]
        counts = Counter(group_names(there).astype(str))
        leading = [leader for leader in self._leading(rows) if counts[leader.group] < _SEEDS]
        proposals: list[Proposal] = []
        while leading and len(proposals) < min(n, left):
            leader = min(leading, key=lambda one: counts[one.group])
            config = self._config(leader, taken)
            if config is None or counts[leader.group] >= _SEEDS:
                leading.remove(leader)
                continue
            counts[leader.group] += 1
            identity = config.identity(self._digest)
            taken.add(identity)
            proposals.append(Proposal(config, identity, self._reason(leader, counts[leader.group], most)))
        return proposals

    def _due(self, rows: pd.DataFrame) -> bool:
        """Whether place has had its turn: nothing of the driver is running, or a search has begun to know its way."""
        first = rows[~self._is_further(rows)]
        if not self._searches:
            return not (first["status"] == "RUNNING").any()
        return group_names(first[first["status"] == "FINISHED"]).nunique() >= _PLACES

    def _leading(self, rows: pd.DataFrame) -> list[Leader]:
        inside = rows
        if self._region is not None and len(rows):
            inside = rows[self._region.contains(measured_rates(rows, self._base.layers))]
        ranked = [(one, ranking) for one in self._applications if (ranking := self._ranking(inside, one)) is not None]
        if self._searches:
            ranked = [(one, ranking) for one, ranking in ranked if ranking.gained_by(_NEWEST) <= ranking.noise]
        return leaders(ranked)

    def _ranking(self, rows: pd.DataFrame, application: Application) -> Ranking | None:
        return Ranking.of(rows, application, self._base.layers)

    def _reason(self, leader: Leader, seeds: int, most: int) -> str:
        why = "the newest models have improved it by no more than a seed changes" if self._searches else ""
        alone = "of one run nobody knows what a seed changes" if seeds == 2 else "two runs tell little of a spread"
        return f"seed number {seeds} of {leader.what}: {why or alone} (at most {most} further seeds)"

    def _config(self, leader: Leader, taken: Collection[str]) -> TrainConfig | None:
        """The leader's config with the next seed that is not taken; None where its row does not say what it is."""
        config = self._stored(leader)
        if config is None or config.group(self._digest) != leader.group:
            return None
        seeds = (replace(config, seed=seed) for seed in range(self._base.seed + 1, self._base.seed + 1 + _SEEDS))
        return next((one for one in seeds if one.identity(self._digest) not in taken), None)

    def _stored(self, leader: Leader) -> TrainConfig | None:
        """The config that a run was trained by, from its row: the base, but for what drivers vary."""
        flat = self._base.to_flat()
        varied = {
            str(name): value
            for name, value in leader.row.items()
            if (name in flat or TARGET.match(str(name))) and role_of(str(name)) in _VARIED and not _missing(value)
        }
        try:
            config = TrainConfig.from_flat(flat | varied)
            steered = [config.targets.steered(layer) for layer in range(1, config.layers + 1)]
            # The store holds the β with which training ended where targets moved them.
            pairs = zip(self._base.betas, config.betas, steered, strict=True)
            return replace(config, betas=tuple(asked if moved else own for asked, own, moved in pairs))
        except (ConfigError, ValueError):
            return None

    def _is_further(self, rows: pd.DataFrame) -> "pd.Series[bool]":
        """Runs with another seed than the driver's own."""
        seeds = pd.to_numeric(rows["seed"], errors="coerce") if "seed" in rows else pd.Series(np.nan, index=rows.index)
        return seeds.notna() & (seeds != self._base.seed)

    def _trained(self, rows: pd.DataFrame, *statuses: str) -> set[str]:
        """Identities of further seeds with one of these statuses."""
        return set(rows.loc[self._is_further(rows) & rows["status"].isin(statuses), "config_hash"].dropna())


def _missing(value: object) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))
