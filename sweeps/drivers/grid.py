"""The grid driver: every cell of a grid in β, for every seed, from coarse to fine."""

__all__ = ["GridDriver"]

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from hit.config import TrainConfig
from hit.config.rates.beta_grid import BetaGrid
from hit.config.rates.rate_region import RateRegion
from sweeps.drivers.comparable_runs import comparable
from sweeps.drivers.driver import Driver, Proposal, once
from sweeps.drivers.run_rates import betas_and_rates
from sweeps.rate_models.gaussian_process import RateSurrogate

#: A cell is left out where the chance that its rates lie in the region is below this.
_HARDLY = 0.02
#: Runs a layer before a surrogate is asked; until then the coarse cells are visited wherever they lead.
_RUNS_A_LAYER = 4


class GridDriver(Driver):
    """Wants one finished run a cell and seed; what is finished or running anywhere is left out.

    A cell whose run diverged is left out, too: the same config diverges again. With a region, so are cells
    whose rates would lie outside of it: by the run of another seed, or by a surrogate over the history.

    Args:
        base: the config of every run but for β and seed.
        grid: the cells.
        seeds: replicates.
        data_digest: of the data set, part of every identity.
        region: of rate space, the only one of interest; None: all.
    """

    def __init__(
        self,
        base: TrainConfig,
        grid: BetaGrid,
        seeds: Sequence[int],
        data_digest: str,
        region: RateRegion | None = None,
    ) -> None:
        self._base = base
        self._digest = data_digest
        self._region = region
        self._wanted: dict[str, TrainConfig] = {}
        for seed in seeds:
            for betas in grid:
                config = replace(base, betas=betas, seed=seed)
                self._wanted.setdefault(config.identity(data_digest), config)

    @property
    def wanted(self) -> int | None:
        return len(self._wanted) if self._region is None else None

    def propose(self, history: pd.DataFrame, n: int) -> list[Proposal]:
        taken = self.taken(history)
        left = {identity: config for identity, config in self._wanted.items() if identity not in taken}
        order = {identity: place for place, identity in enumerate(self._wanted, start=1)}
        outside = self._outside(history, list(left.values())) if self._region else set()
        inside = [(identity, config) for identity, config in left.items() if config.betas not in outside]
        beside = f", {len(left) - len(inside)} cells lead out of the region" if self._region else ""
        return [
            Proposal(config, identity, f"cell {order[identity]} of {len(self._wanted)}, coarse to fine{beside}")
            for identity, config in inside[:n]
        ]

    @once
    def mine(self, history: pd.DataFrame) -> pd.DataFrame:
        return history[history["config_hash"].isin(self._wanted)]

    def _outside(self, history: pd.DataFrame, configs: list[TrainConfig]) -> set[tuple[float, ...]]:
        """β of cells whose rates hardly lie in the region."""
        assert self._region is not None
        betas, rates = betas_and_rates(comparable(history, self._base, self._digest), self._base.layers)
        inside = self._region.contains(rates)
        measured: dict[tuple[float, ...], list[bool]] = {}
        for cell, well in zip(map(tuple, betas.tolist()), inside.tolist(), strict=True):
            measured.setdefault(cell, []).append(well)
        outside = {cell for cell, answers in measured.items() if not any(answers)}
        unknown = sorted({config.betas for config in configs if min(config.betas) > 0} - measured.keys())
        if unknown and len(measured) >= _RUNS_A_LAYER * self._base.layers:
            asked = np.array(unknown)
            chances = self._region.contains(RateSurrogate.fit(betas, rates).draws(asked)).mean(0)
            outside |= {cell for cell, chance in zip(unknown, chances, strict=True) if chance < _HARDLY}
        return outside
