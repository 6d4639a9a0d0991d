"""The coverage driver in its target form: runs are asked for the rates that lie in the largest holes of a region."""

__all__ = ["TargetCoverage", "resting"]

from collections import Counter
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from hit.config import TrainConfig
from hit.config.rates.rate_region import RateRegion
from hit.config.rates.rate_targets import FAR_ABOVE, RateTargets
from hit.errors.run_outcomes import RunOutcome
from hit.store.frame_types import outcomes
from sweeps.drivers.comparable_runs import comparable
from sweeps.drivers.driver import Driver, Proposal, once
from sweeps.drivers.region_cells import RegionCells
from sweeps.drivers.run_rates import asked_rates, betas_and_rates, betas_of, finished_rates, measured_rates
from sweeps.rate_models.gaussian_process import RateSurrogate

Floats = npt.NDArray[np.float64]

#: A cell that was asked for so often, and missed, is left empty.
_TRIES = 3
#: How many earlier runs tell by how much test rates differ from their targets, and by how much at most.
_WITNESSES, _LARGEST_BIAS = 5, 1.25
#: Targets whose rates differ by less are the same: where the one was missed, so will the other be.
_SAME = 0.02
_RUNS_A_LAYER = 4


class TargetCoverage(Driver):
    """Asks for the middle of the empty cell that is farthest from every run, and so on, until no cell is empty.

    A cell holds every run that landed in it, whoever made it and however. Runs on their way count where they
    are bound for. A cell is out of reach, and left empty, where a run that was asked for it was tagged infeasible,
    missed a target by more than half, or diverged, or where several landed elsewhere. Rates of the test set differ from
    those of training, by which runs steer: targets are corrected, within their cell, by what the nearest earlier runs
    ended with that came near theirs. A target that was missed is not tried again, nor is one within 2 % of it: its cell
    is left empty, too.

    Args:
        base: the config of every run but for its targets; β is where it starts.
        region: to be filled.
        hole: side of the cells, as a share of the region's extent; see `RegionCells`.
        data_digest: of the data set, part of every identity.

    Raises:
        ConfigError: the region has no end.
    """

    def __init__(self, base: TrainConfig, region: RateRegion, hole: float, data_digest: str) -> None:
        self._base = base
        self._digest = data_digest
        self._cells = RegionCells.cut(region, hole)

    @property
    def wanted(self) -> int | None:
        return None

    @once
    def mine(self, history: pd.DataFrame) -> pd.DataFrame:
        return comparable(history, self._base, self._digest)

    def propose(self, history: pd.DataFrame, n: int) -> list[Proposal]:
        rows = self.mine(history)
        layers = self._base.layers
        taken = set(self.taken(history))
        points = np.concatenate([finished_rates(rows, layers), bound_for(rows, layers)])
        filled = self._cells.holding(points)
        closed, missed = self._tried(rows)
        interrupted = self._interrupted(rows, taken)
        points = np.concatenate([points, self._cells.aims[closed]])
        steered = self._steered(rows)
        proposals: list[Proposal] = []
        left = ~filled & ~closed
        while len(proposals) < n and left.any():
            gaps = np.where(left, self._cells.gaps(points), -1.0)
            cell = int(gaps.argmax())
            left[cell] = False
            config = interrupted.get(cell) or self._config(self._target(cell, *steered))
            identity = config.identity(self._digest)
            if identity in taken:
                continue
            taken.add(identity)
            points = np.concatenate([points, self._cells.aims[cell][None]])
            again = f", for the {missed[cell] + 1}th time" if missed[cell] else ""
            proposals.append(
                Proposal(config, identity, f"hole of {gaps[cell]:.2f} around {_text(self._cells.aims[cell])}{again}")
            )
        return proposals

    def done(self, history: pd.DataFrame) -> str:
        rows = self.mine(history)
        held = self._cells.holding(finished_rates(rows, self._base.layers))
        closed, _ = self._tried(rows)
        return resting(held, held | closed)

    def situation(self, history: pd.DataFrame) -> str:
        held = self._cells.holding(finished_rates(self.mine(history), self._base.layers))
        return f"{held.sum()} of {len(held)} cells of the region hold a run"

    def _tried(self, rows: pd.DataFrame) -> tuple[npt.NDArray[np.bool_], Counter[int]]:
        """Which cells are out of reach, and how many runs that were asked for a cell ended elsewhere."""
        layers = self._base.layers
        asked = asked_rates(rows, layers)
        aimed_at = self._cells.of(asked)
        ended = (rows["status"] == "FINISHED").to_numpy(bool)
        diverged = outcomes(rows) == RunOutcome.DIVERGED
        far = (np.abs(measured_rates(rows, layers) / asked - 1) > FAR_ABOVE).any(1)
        tagged = rows["infeasible"].notna().to_numpy(bool)
        out_of_reach = ((tagged | far) & ended) | diverged.to_numpy(bool)
        closed = np.zeros(len(self._cells), bool)
        closed[aimed_at[out_of_reach & (aimed_at >= 0)]] = True
        missed = Counter(aimed_at[ended & (aimed_at >= 0)].tolist())
        held = self._cells.holding(finished_rates(rows, layers))
        steered = self._steered(rows)
        for cell, times in missed.items():
            if not (held[cell] or closed[cell]):
                before = asked[ended & (aimed_at == cell)]
                again = np.abs(before / self._target(cell, *steered) - 1).max(1) < _SAME
                closed[cell] = times >= _TRIES or bool(again.any())
        return closed & ~held, missed

    def _interrupted(self, rows: pd.DataFrame, taken: set[str]) -> dict[int, TrainConfig]:
        """Cell → the config of a run that was asked for it and did not end well: it can go on."""
        stopped = rows[rows["status"].isin(["KILLED", "FAILED"]) & ~rows["config_hash"].isin(taken)]
        asked = asked_rates(stopped, self._base.layers)
        found: dict[int, TrainConfig] = {}
        for cell, rates, identity in zip(self._cells.of(asked).tolist(), asked, stopped["config_hash"], strict=True):
            if cell >= 0 and (config := self._config(rates)).identity(self._digest) == identity:
                found[cell] = config
        return found

    def _steered(self, rows: pd.DataFrame) -> tuple[Floats, Floats]:
        """Targets, and rates that they led to, of the runs that had one for every layer and came near, N×L each."""
        asked, ended = asked_rates(rows, self._base.layers), measured_rates(rows, self._base.layers)
        # What is farther off has missed its target, and says nothing of how test rates differ from those of training.
        near = (np.abs(np.log(ended / asked)) <= np.log(_LARGEST_BIAS)).all(1) & rows["infeasible"].isna().to_numpy(
            bool
        )
        return asked[near], ended[near]

    def _target(self, cell: int, targets: Floats, measured: Floats) -> Floats:
        """The rates to ask for so that a run lands in the middle of the cell: in the cell themselves, so that a run is
        known by them to be meant for it. A cell that was tried before is corrected by its own runs."""
        aim: Floats = self._cells.aims[cell]
        if not len(targets):
            return aim
        own = np.flatnonzero(self._cells.of(targets) == cell)
        region = self._cells.region
        distances = np.abs(region.scaled(targets) - region.scaled(aim)).max(1)
        witnesses = own if len(own) else distances.argsort(kind="stable")[:_WITNESSES]
        return self._cells.confined(cell, aim / np.median(measured[witnesses] / targets[witnesses], axis=0))

    def _config(self, rates: Floats) -> TrainConfig:
        named = {f"target_rate_{layer}": float(f"{rate:.4g}") for layer, rate in enumerate(rates, start=1)}
        return replace(self._base, targets=RateTargets.parse(named, self._base.layers))


def bound_for(rows: pd.DataFrame, layers: int) -> Floats:
    """Rates that running runs are expected to end with: their targets, or what a surrogate says of their β, M×L."""
    running = rows[rows["status"] == "RUNNING"]
    asked = asked_rates(running, layers)
    steered = np.isfinite(asked).all(axis=1)
    betas, rates = betas_and_rates(rows, layers)
    own = betas_of(running, layers)[~steered]
    own = own[(own > 0).all(1)]
    if not len(own) or len(betas) < _RUNS_A_LAYER * layers:
        return asked[steered]
    return np.concatenate([asked[steered], RateSurrogate.fit(betas, rates).rates(own)])


def resting(held: npt.NDArray[np.bool_], settled: npt.NDArray[np.bool_]) -> str:
    """Why a region counts as filled, in words; empty where a cell is still to be filled."""
    if not settled.all():
        return ""
    beyond = f", {len(held) - held.sum()} are out of reach" if not held.all() else ""
    return f"{held.sum()} of {len(held)} cells of the region hold a run{beyond}"


def _text(rates: Floats) -> str:
    return ", ".join(f"R_{layer} = {rate:.3g}" for layer, rate in enumerate(rates, start=1))
