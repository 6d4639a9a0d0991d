"""The coverage driver in its fixed-β form: what predicts rates says which β lead into the largest holes of a region."""

__all__ = ["BetaCoverage"]

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from hit.config import TrainConfig
from hit.config.rates.beta_grid import BetaGrid
from hit.config.rates.rate_region import RateRegion
from sweeps.drivers.comparable_runs import comparable
from sweeps.drivers.coverage_by_targets import resting
from sweeps.drivers.driver import Driver, Proposal, once
from sweeps.drivers.region_cells import RegionCells
from sweeps.drivers.run_rates import betas_and_rates, betas_of, finished_rates
from sweeps.rate_models.from_surface import SurfaceRates, SurfaceSurrogate
from sweeps.rate_models.gaussian_process import RatePredictor, RateSurrogate

Floats = npt.NDArray[np.float64]

#: Runs a layer before a surrogate is asked; until then the coarse cells of the grid are visited.
_RUNS_A_LAYER = 4
#: The rest of a region counts as out of reach where no β leads into an empty cell with at least this chance.
_HARDLY = 0.1


class BetaCoverage(Driver):
    """Trains at the β that most probably lands in the largest empty cells, until none does.

    The chance that a candidate lands in an empty cell, times the distance of that cell from every run, summed over
    the empty cells, is what candidates are ranked by. Runs on their way count as if they landed where they are
    expected. Rates are predicted by a rate surface, corrected by what finished runs differ from it by
    (`SurfaceSurrogate`), or by a Gaussian process over the history (`RateSurrogate`), fitted anew to every history.

    Args:
        base: the config of every run but for β.
        betas: the candidates, all > 0; its coarse cells are the design to begin with.
        region: to be filled.
        hole: side of the cells, as a share of the region's extent; see `RegionCells`.
        data_digest: of the data set, part of every identity.
        surface: rates that a surface of the same data and networks expects; None where there is none.

    Raises:
        ConfigError: the region has no end.
    """

    def __init__(
        self,
        base: TrainConfig,
        betas: BetaGrid,
        region: RateRegion,
        hole: float,
        data_digest: str,
        surface: SurfaceRates | None = None,
    ) -> None:
        self._base = base
        self._surface = surface
        self._betas = betas
        self._digest = data_digest
        self._cells = RegionCells.cut(region, hole)
        self._candidates = np.array(list(betas.product()))

    @property
    def wanted(self) -> int | None:
        return None

    @once
    def mine(self, history: pd.DataFrame) -> pd.DataFrame:
        return comparable(history, self._base, self._digest)

    def propose(self, history: pd.DataFrame, n: int) -> list[Proposal]:
        if self._resting(self.mine(history)):
            return []
        prediction = self._prediction(history)
        taken = set(self.taken(history))
        proposals = self._coarse(taken) if prediction is None else self._best(self.mine(history), prediction, taken)
        return list(itertools.islice(proposals, n))

    def done(self, history: pd.DataFrame) -> str:
        rows = self.mine(history)
        if reason := self._resting(rows):
            return reason
        if (rows["status"] == "RUNNING").any() or self._leads_on(history):
            return ""
        held = self._held(rows)
        return resting(held, np.ones_like(held))

    def situation(self, history: pd.DataFrame) -> str:
        held = self._held(self.mine(history))
        return f"{held.sum()} of {len(held)} cells of the region hold a run"

    def _held(self, rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
        return self._cells.holding(finished_rates(rows, self._base.layers))

    def _resting(self, rows: pd.DataFrame) -> str:
        held = self._held(rows)
        return resting(held, held)

    @once
    def _leads_on(self, history: pd.DataFrame) -> bool:
        return bool(self.propose(history, 1))

    @once
    def _prediction(self, history: pd.DataFrame) -> "_Prediction | None":
        """What predicts rates, asked about every candidate; None where there are too few runs to predict from."""
        betas, rates = betas_and_rates(self.mine(history), self._base.layers)
        if self._surface is not None:
            fitted: RatePredictor = SurfaceSurrogate.fit(self._surface, betas, rates)
            return _Prediction(fitted, self._chances(fitted), f"by surface {self._surface.run_id}")
        if len(np.unique(betas, axis=0)) < _RUNS_A_LAYER * self._base.layers:
            return None
        fitted = RateSurrogate.fit(betas, rates)
        return _Prediction(fitted, self._chances(fitted), f"by a Gaussian process over {len(betas)} runs")

    def _coarse(self, taken: set[str]) -> Iterator[Proposal]:
        for place, betas in enumerate(self._betas, start=1):
            config, identity = self._model(betas)
            if identity not in taken:
                yield Proposal(config, identity, f"cell {place} of a coarse design: too few runs to predict from")

    def _best(self, rows: pd.DataFrame, prediction: "_Prediction", taken: set[str]) -> Iterator[Proposal]:
        own = betas_of(rows[rows["status"] == "RUNNING"], self._base.layers)
        expected = prediction.by.rates(own[(own > 0).all(1)])
        points = np.concatenate([finished_rates(rows, self._base.layers), expected])
        empty = ~self._cells.holding(points)
        chances = prediction.chances[:, empty]
        numbers = np.flatnonzero(empty)
        left = np.ones(len(self._candidates), bool)
        while len(numbers) and left.any():
            hopeful = left & (chances.sum(1) >= _HARDLY)
            score = np.where(hopeful, chances @ self._cells.gaps(points)[numbers], -1.0)
            place = int(score.argmax())
            if score[place] < 0:
                return
            left[place] = False
            config, identity = self._model(tuple(self._candidates[place].tolist()))
            if identity in taken:
                continue
            taken.add(identity)
            yield Proposal(config, identity, f"{self._reason(numbers, chances[place])}, {prediction.source}")
            points = np.concatenate([points, prediction.by.rates(self._candidates[place][None])])
            still = ~self._cells.holding(points[-1:])[numbers]
            numbers, chances = numbers[still], chances[:, still]

    def _chances(self, predictor: RatePredictor) -> Floats:
        """How probably each candidate lands in each cell, M×C."""
        cells = self._cells.of(predictor.draws(self._candidates))
        keys = (np.arange(len(self._candidates)) * len(self._cells) + cells)[cells >= 0]
        counts = np.bincount(keys, minlength=len(self._candidates) * len(self._cells))
        return counts.reshape(len(self._candidates), len(self._cells)) / len(cells)

    def _model(self, betas: tuple[float, ...]) -> tuple[TrainConfig, str]:
        config = replace(self._base, betas=betas)
        return config, config.identity(self._digest)

    def _reason(self, numbers: npt.NDArray[np.intp], chances: Floats) -> str:
        aim = self._cells.aims[numbers[int(chances.argmax())]]
        where = ", ".join(f"R_{layer} = {rate:.3g}" for layer, rate in enumerate(aim, start=1))
        return f"lands in one of {len(numbers)} empty cells with chance {chances.sum():.2f}, likeliest around {where}"


@dataclass(frozen=True, eq=False)
class _Prediction:
    """What predicts rates, how probably each candidate lands in each cell (M×C), and the source in words."""

    by: RatePredictor
    chances: Floats
    source: str
