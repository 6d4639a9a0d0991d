"""Metrics over rate space that are known: the recorded digits, smoothed, and hills; runs drawn from them at random."""

__all__ = ["Hill", "KnownSurface", "RecordedDigits", "Truth", "finished_runs", "uniform_in_hull"]

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.interpolate import RBFInterpolator
from scipy.spatial import Delaunay, KDTree

from analysis.recommendation.applications import Application
from tests.replay import ACCURACY

Floats = npt.NDArray[np.float64]
_TABLE = Path(__file__).resolve().parent / "data" / "digits_surface.csv"
#: Of the smoothing splines: what predicts cells that are left out best (ten parts).
_SMOOTHING = {"test/psnr": 0.3, ACCURACY: 3.0}
_POINTS, _BETWEEN = 4000, 10_000
#: Cells whose luck a run may have: about as rich in rates.
_NEAR = 20
#: How often more points are laid about the best ones, between how many of them and how many near to each.
_ROUNDS, _BEST, _BESIDE, _MORE = 8, 100, 24, 1500


@dataclass(frozen=True, eq=False)
class Truth:
    """What an application is worth at points within the hull of the runs.

    Attributes:
        points: nats per image, M×L.
        utility: more is better; −inf where a constraint is broken, M.
    """

    points: Floats
    utility: Floats

    @property
    def optimum(self) -> Floats:
        """Rates of the best point, L."""
        return np.asarray(self.points[self.utility.argmax()])

    def lost(self, inside: npt.NDArray[np.bool_]) -> float:
        """Share of the range that the best of some points loses against the optimum; 1 where none of them counts."""
        finite = self.utility[np.isfinite(self.utility)]
        best = self.utility[inside].max() if inside.any() else -np.inf
        return float(min((finite.max() - best) / max(float(np.ptp(finite)), 1e-12), 1.0))


class KnownSurface(ABC):
    """Where runs can be drawn from, and what is best within their hull."""

    @abstractmethod
    def draw(self, count: int, seed: int) -> pd.DataFrame:
        """A frame of finished runs of different cells."""

    @abstractmethod
    def truth(self, frame: pd.DataFrame, application: Application) -> Truth:
        """Of an application, at points within the hull of these runs in log(R + 1)."""


@dataclass(frozen=True)
class RecordedDigits(KnownSurface):
    """441 models of the digits; the truth is a smoothing spline (thin plates in log(R + 1)) through all of them.

    Attributes:
        between: whether the truth is looked at between cells that are neighbours in β, too: an optimum on the edge of a
            constraint lies between them, and the best cell somewhere beside it.
        redrawn: whether every draw has a surface of its own: a spline through all cells with other luck, which is that
            of cells nearby. One surface has one optimum, which 441 runs do not tell from others on a plateau, and the
            spline is fitted to the luck that draws of recorded runs share with it and with each other.
    """

    between: bool = False
    redrawn: bool = False

    @cached_property
    def frame(self) -> pd.DataFrame:
        """One row a cell."""
        table = pd.read_csv(_TABLE)
        names = {"rate_1": "test/rate_1", "rate_2": "test/rate_2", "psnr": "test/psnr", "accuracy": ACCURACY}
        frame = finished_runs(table.rename(columns=names), 2)
        return frame.assign(**{"test/held_out": 72.0, "seed": 0.0})

    @cached_property
    def rates(self) -> Floats:
        """Of the cells, and of points between neighbours."""
        rates = _rates(self.frame)
        if not self.between:
            return rates
        corners = np.log(rates + 1)[_triangles(self.frame)]
        corners = corners[np.arange(_BETWEEN) % len(corners)]
        shares = np.random.default_rng(0).dirichlet(np.ones(3), _BETWEEN)
        return np.concatenate([rates, np.exp((corners * shares[:, :, None]).sum(1)) - 1])

    def draw(self, count: int, seed: int) -> pd.DataFrame:
        """A random set of cells."""
        frame = self.frame.sample(count, random_state=seed)
        if self.redrawn:
            luck = self._luck(np.random.default_rng([seed, 1]))
            at = self._at(_rates(frame), self._fits(seed))
            frame = frame.assign(**{name: at[name] + own[frame.index] for name, own in luck.items()})
            frame.attrs["surface"] = seed
        return frame.reset_index(drop=True)

    def truth(self, frame: pd.DataFrame, application: Application) -> Truth:
        """At the points within the hull."""
        hull = Delaunay(np.log(_rates(frame) + 1))
        rates = self.rates[hull.find_simplex(np.log(self.rates + 1), tol=1e-9) >= 0]
        fits = self._fits(frame.attrs.get("surface"))
        at = self._at(rates, fits)
        if not self.between:
            return Truth(rates, _utility(application, at, self.frame))
        return _about_the_best(rates, at, lambda more: self._at(more, fits), application, self.frame)

    def _fits(self, surface: int | None) -> dict[str, RBFInterpolator]:
        """Metrics without the luck of a run: as recorded, or of another surface."""
        logs = np.log(_rates(self.frame) + 1)
        metrics = {name: self.frame[name].to_numpy(float) for name in _SMOOTHING}
        if surface is not None:
            recorded, luck = self._recorded, self._luck(np.random.default_rng([surface, 0]))
            metrics = {name: recorded[name] + luck[name] for name in metrics}
        return {name: RBFInterpolator(logs, own, smoothing=_SMOOTHING[name]) for name, own in metrics.items()}

    @cached_property
    def _recorded(self) -> dict[str, Floats]:
        logs = np.log(_rates(self.frame) + 1)
        return {name: fit(logs) for name, fit in self._fits(None).items()}

    def _luck(self, chance: np.random.Generator) -> dict[str, Floats]:
        """What every run differs from the spline, as one of the cells near to it does."""
        logs = np.log(_rates(self.frame) + 1)
        near = KDTree(logs).query(logs, _NEAR)[1]
        lucky = near[np.arange(len(near)), chance.integers(_NEAR, size=len(near))]
        return {name: (self.frame[name].to_numpy(float) - fit)[lucky] for name, fit in self._recorded.items()}

    @staticmethod
    def _at(rates: Floats, fits: dict[str, RBFInterpolator]) -> dict[str, Floats]:
        exact = {"test/rate_1": rates[:, 0], "test/rate_2": rates[:, 1], "test/rate": rates.sum(1)}
        return exact | {name: fit(np.log(rates + 1)) for name, fit in fits.items()}


@dataclass(frozen=True)
class Hill(KnownSurface):
    """A hill over rate space whose place and width depend on the seed, beside a slope; seen through noise as PSNR.

    Attributes:
        layers: L.
        noise: of one run; the hill is 1 high.
    """

    layers: int
    noise: float
    _made: dict[str, tuple[Floats, float]] = field(default_factory=dict)

    def draw(self, count: int, seed: int) -> pd.DataFrame:
        """Runs at random over about four decades of rates."""
        chance = np.random.default_rng([seed, self.layers])
        top, width = chance.uniform(0.25, 0.75, self.layers), float(chance.uniform(0.3, 0.8))
        places = chance.random((count, self.layers))
        columns = {f"test/rate_{layer + 1}": _unseen(own) for layer, own in enumerate(places.T)}
        columns["test/psnr"] = self._at(places, top, width) + self.noise * chance.standard_normal(count)
        self._made[str(seed)] = top, width
        frame = finished_runs(pd.DataFrame(columns), self.layers)
        frame.attrs["hill"] = str(seed)
        return frame

    def truth(self, frame: pd.DataFrame, application: Application) -> Truth:
        """At many points within the hull, more of them about the best."""
        top, width = self._made[frame.attrs["hill"]]

        def at(points: Floats) -> dict[str, Floats]:
            return {"test/psnr": self._at(_seen(points), top, width), "test/rate": points.sum(1)}

        points = uniform_in_hull(_rates(frame), _POINTS)
        return _about_the_best(points, at(points), at, application, frame)

    @staticmethod
    def _at(places: Floats, top: Floats, width: float) -> Floats:
        hill = np.exp(-(((places - top) / width) ** 2).sum(-1))
        return np.asarray(hill + 0.15 * np.sin(3 * places[..., 0]))


def finished_runs(frame: pd.DataFrame, layers: int) -> pd.DataFrame:
    """The columns that every frame of runs has, beside those of this one; runs without βs have different ones."""
    rates = [f"test/rate_{layer}" for layer in range(1, layers + 1)]
    own = {"test/rate": frame[rates].sum(axis=1), "status": "FINISHED", "dataset": "digits", "layers": float(layers)}
    names = [f"{number:032d}" for number in range(len(frame))]
    betas = {f"beta_{layer}": np.linspace(0.1, 1, len(frame)) * layer for layer in range(1, layers + 1)}
    return frame.assign(
        run_id=names, group=names, **own, **{name: beta for name, beta in betas.items() if name not in frame}
    )


def uniform_in_hull(rates: Floats, count: int) -> Floats:
    """Points within the hull of rates in log(R + 1), equally many everywhere; the rates themselves are among them.

    Args:
        rates: nats per image, N×L.
        count: how many points.
    """
    seen, chance = np.log(rates + 1), np.random.default_rng(0)
    layers = seen.shape[1]
    if layers == 1:
        return np.concatenate([np.exp(chance.uniform(seen.min(), seen.max(), (count, 1))) - 1, rates])
    simplices = seen[Delaunay(seen).simplices]
    sizes = np.abs(np.linalg.det(simplices[:, 1:] - simplices[:, :1]))
    drawn = simplices[chance.choice(len(simplices), count, p=sizes / sizes.sum())]
    shares = chance.dirichlet(np.ones(layers + 1), count)
    return np.concatenate([np.exp((drawn * shares[:, :, None]).sum(1)) - 1, rates])


def _utility(application: Application, at: dict[str, Floats], runs: pd.DataFrame) -> Floats:
    """What an application is worth, by its definition, written a second time."""
    kept = np.ones(len(next(iter(at.values()))), bool)
    for one in application.constraints:
        kept &= one.excess(at[one.name]) <= 0
    if application.weights:
        utility = sum(weight * at[name] / float(runs[name].std(ddof=0)) for name, weight in application.weights)
    elif application.objectives:
        costs = np.column_stack([one.sign * at[one.name] for one in application.objectives])
        front = _front(costs[kept])
        utility = -((costs - front.min(0)) / np.ptp(front, axis=0)).max(1)
    else:
        name = application.metric_of(2).name
        utility = at[name] * (1 if application.direction_of(2) == "maximize" else -1)
    return np.where(kept, utility, -np.inf)


def _about_the_best(
    points: Floats,
    known: dict[str, Floats],
    at: Callable[[Floats], dict[str, Floats]],
    application: Application,
    runs: pd.DataFrame,
) -> Truth:
    """With more and more points between the best ones and those near to them, whether these keep the constraints."""
    chance = np.random.default_rng(0)
    utility = _utility(application, known, runs)
    for _ in range(_ROUNDS if np.isfinite(utility).any() else 0):
        logs = np.log(points + 1)
        best = np.argsort(-utility, kind="stable")[:_BEST]
        near = KDTree(logs).query(logs[best], _BESIDE)[1]
        place = chance.integers(len(best), size=_MORE)
        others = near[place[:, None], chance.integers(_BESIDE, size=(_MORE, 2))]
        corners = logs[np.column_stack([best[place], others])]
        more = np.exp((corners * chance.dirichlet(np.ones(3), _MORE)[:, :, None]).sum(1)) - 1
        added = at(more)
        points = np.concatenate([points, more])
        known = {name: np.concatenate([own, added[name]]) for name, own in known.items()}
        utility = _utility(application, known, runs)
    return Truth(points, utility)


def _triangles(cells: pd.DataFrame) -> npt.NDArray[np.intp]:
    """Indices of cells that are neighbours in β: the two halves of every square of the grid."""
    order = cells.reset_index(drop=True).sort_values(["beta_1", "beta_2"]).index.to_numpy()
    grid = order.reshape(cells["beta_1"].nunique(), -1)
    corners = [own.ravel() for own in (grid[:-1, :-1], grid[1:, :-1], grid[:-1, 1:], grid[1:, 1:])]
    return np.concatenate([np.column_stack(corners[:3]), np.column_stack(corners[1:])])


def _front(costs: Floats) -> Floats:
    """Of two costs, the points that no other one is at least as good as in both."""
    ranked = costs[np.lexsort(costs.T[::-1])]
    least = np.minimum.accumulate(ranked[:, 1])
    return np.concatenate([ranked[:1], ranked[1:][ranked[1:, 1] < least[:-1]]])


def _rates(frame: pd.DataFrame) -> Floats:
    layers = int(frame["layers"].iloc[0])
    return frame[[f"test/rate_{layer}" for layer in range(1, layers + 1)]].to_numpy(float)


_UNIT, _FLOOR = 3.2, 0.9


def _seen(rates: Floats) -> Floats:
    return np.asarray(np.log(rates + _FLOOR) / _UNIT)


def _unseen(places: Floats) -> Floats:
    return np.asarray(np.exp(_UNIT * places) - _FLOOR)
