"""The grid driver: every cell of a grid in β, for every seed, from coarse to fine."""

__all__ = ["GridDriver"]

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from hit.config import TrainConfig
from sweeps.driver import Driver, Proposal
from sweeps.space import BetaGrid


class GridDriver(Driver):
    """Wants one finished run a cell and seed; what is finished or running anywhere is left out.

    A cell whose run diverged is left out, too: the same config diverges again.

    Args:
        base: the config of every run but for β and seed.
        grid: the cells.
        seeds: replicates.
        data_digest: of the data set, part of every identity.
    """

    def __init__(self, base: TrainConfig, grid: BetaGrid, seeds: Sequence[int], data_digest: str) -> None:
        self._wanted: dict[str, TrainConfig] = {}
        for seed in seeds:
            for betas in grid:
                config = replace(base, betas=betas, seed=seed)
                self._wanted.setdefault(config.identity(data_digest), config)

    @property
    def wanted(self) -> int:
        return len(self._wanted)

    @property
    def identities(self) -> frozenset[str]:
        """Config hashes of all wanted runs."""
        return frozenset(self._wanted)

    def propose(self, history: pd.DataFrame, n: int) -> list[Proposal]:
        taken = self._with_status(history, "FINISHED") | self._with_status(history, "RUNNING") | self.diverged(history)
        left = [(identity, config) for identity, config in self._wanted.items() if identity not in taken]
        return [
            Proposal(config, identity, f"cell {self.wanted - len(left) + index + 1} of {self.wanted}, coarse to fine")
            for index, (identity, config) in enumerate(left[:n])
        ]

    def finished(self, history: pd.DataFrame) -> int:
        return len(self._with_status(history, "FINISHED"))

    def running(self, history: pd.DataFrame) -> int:
        return len(self._with_status(history, "RUNNING") - self._with_status(history, "FINISHED"))

    def diverged(self, history: pd.DataFrame) -> set[str]:
        """Identities of wanted cells whose training diverged."""
        reasons = history["status_reason"].fillna("").astype(str)
        return self._mine(history.loc[reasons.str.startswith("diverged"), "config_hash"])

    def _with_status(self, history: pd.DataFrame, status: str) -> set[str]:
        return self._mine(history.loc[history["status"] == status, "config_hash"])

    def _mine(self, hashes: "pd.Series[str]") -> set[str]:
        return set(hashes) & self._wanted.keys()
