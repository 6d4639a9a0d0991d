"""Points of rate space that runs can speak for, and how rates are seen: in logs."""

__all__ = ["Reach", "rates_of", "seen", "spread_and_drawn", "thinned"]

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import Delaunay, KDTree, QhullError

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

#: Rates are seen as log(R + this), nats: a layer that has collapsed is flat rather than without bottom.
_SOFT_FLOOR = 1.0
#: Runs whose hull is cut into simplices, and points in it; again half as many about what is promising, at each look.
_CORNERS, _BETWEEN = 300, 400
#: Points that are thinned to evenly spread ones, and how often the way across an edge is halved.
_CANDIDATES, _HALVINGS = 3000, 30
#: Points are on an edge that is nearer than this, in the unit of its bound; those that are laid between others on it
#: are moved there by changing all their rates by at most this factor.
_ON_EDGE, _FACTOR = 1e-6, 1.3
#: Simplices of more layers are too many to cut.
_CUT = 4
#: Runs that are expected in a ball around a point of a pocket, which holds none.
_POCKET = 10


@dataclass(frozen=True, eq=False)
class Reach:
    """The runs themselves, and points in their convex hull in log(R_l + 1): in the simplices between neighbours.

    Not in pockets of the hull that models do not reach: a point is left out where so many of the runs would be expected
    nearer to it than the nearest one is, if they lay equally dense, that none of them is there by chance.

    Attributes:
        points: nats per image, M×L.
    """

    points: Floats

    @classmethod
    def of(cls, rates: Floats, beyond: Callable[[Floats], Floats] | None = None) -> "Reach":
        """Of runs, and all over the edge of what bounds on rates allow: between points that keep and that break them.

        Args:
            rates: of the runs, nats per image, N×L.
            beyond: by how much points (nats per image, M×L) break the bounds; None without any.
        """
        own = np.unique(rates[spread_and_drawn(seen(rates), _CORNERS)], axis=0)
        points = _within(own)
        even = points[: len(points) // 2]
        points = np.concatenate([own, points[~_in_pockets(seen(points), seen(own), seen(even))]])
        out = np.zeros(len(points), bool) if beyond is None else beyond(points) > 0
        if beyond is None or out.all() or not out.any():
            return cls(points)
        chance = np.random.default_rng(0)
        inner, outer = (points[chance.choice(np.flatnonzero(own), _CANDIDATES)] for own in (~out, out))
        edge = _at_the_edge(inner, outer, beyond)
        edge = edge[~_in_pockets(seen(edge), seen(own), seen(even))]
        return cls(np.concatenate([points, edge[_apart(seen(edge), _BETWEEN // 4)]]))

    def between(self, promising: Indices, beyond: Callable[[Floats], Floats] | None = None) -> Floats:
        """More points between some of them and those near to them, evenly spread, and on the edge of what is allowed.

        Evenly, since where candidates are dense the best of them is better by that alone: a region around the best
        ones would be where the points are rather than where the optimum may be.

        Args:
            promising: their indices; those that are not allowed are left out.
            beyond: by how much points (nats per image, M×L) break bounds on rates; 0 on the edge, less within it.
        """
        if beyond is None:
            more = _near(self.points, promising, _CANDIDATES)[1]
            return more[_apart(seen(more), _BETWEEN // 2, seen(self.points))]
        promising = promising[beyond(self.points[promising]) <= 0]
        if not len(promising):
            return self.points[:0]
        starts, more = _near(self.points, promising, _CANDIDATES)
        out = beyond(more) > 0
        inner, edge = more[~out], _at_the_edge(starts[out], more[out], beyond)
        edge = np.concatenate([edge, self._along_the_edge(promising, beyond)])
        half = _BETWEEN // 4 if len(edge) else _BETWEEN // 2
        inner = inner[_apart(seen(inner), half, seen(self.points))]
        return np.concatenate([inner, edge[_apart(seen(edge), half, seen(self.points))]])

    def _along_the_edge(self, promising: Indices, beyond: Callable[[Floats], Floats]) -> Floats:
        """Points on the edge between those of the promising ones that are on it and their neighbours there."""
        on_edge = np.abs(beyond(self.points)) <= _ON_EDGE
        starts = np.flatnonzero(on_edge[promising])
        if not len(starts) or on_edge.sum() < 2:
            return self.points[:0]
        places = np.searchsorted(np.flatnonzero(on_edge), promising[starts])
        chords = _near(self.points[on_edge], places, _CANDIDATES)[1]
        tried = np.stack([chords, chords * _FACTOR, chords / _FACTOR])
        out = np.stack([beyond(own) > 0 for own in tried])
        crossed = out.any(0) & ~out.all(0)
        every = np.arange(len(chords))
        inner, outer = tried[(~out).argmax(0), every], tried[out.argmax(0), every]
        return _at_the_edge(inner[crossed], outer[crossed], beyond)


def seen(rates: Floats) -> Floats:
    """log(R + 1), of any shape."""
    return np.log(np.maximum(rates, 0) + _SOFT_FLOOR)


def rates_of(logs: Floats) -> Floats:
    """Inverts `seen`: nats per image."""
    return np.maximum(np.exp(logs) - _SOFT_FLOOR, 0.0)


def thinned(points: Floats, limit: int) -> Indices:
    """Indices of at most `limit` points that lie as far apart as can be: each is the farthest from those before it.

    Args:
        points: N×L.
        limit: how many are kept.
    """
    if len(points) <= limit:
        return np.arange(len(points))
    return np.sort(np.append(_apart(points, limit - 1, points[:1]), 0))


def spread_and_drawn(points: Floats, limit: int) -> Indices:
    """Indices of at most `limit` points: half far apart, which show the shape, half by chance, which show the noise."""
    if len(points) <= limit:
        return np.arange(len(points))
    apart = thinned(points, limit // 2)
    others = np.setdiff1d(np.arange(len(points)), apart)
    drawn = np.random.default_rng(0).choice(others, limit - len(apart), replace=False)
    return np.sort(np.concatenate([apart, drawn]))


def _within(rates: Floats) -> Floats:
    """Points within the hull: half of them equally many everywhere, half where the runs are dense."""
    logs, layers = seen(rates), rates.shape[1]
    if layers > _CUT or len(rates) < layers + 2:
        return _near(rates, np.arange(len(rates)))[1]
    chance = np.random.default_rng(0)
    if layers == 1:
        ends = np.sort(logs[:, 0])
        place = chance.integers(len(ends) - 1, size=_BETWEEN // 2)
        dense = ends[place] + chance.random(_BETWEEN // 2) * np.diff(ends)[place]
        return rates_of(np.concatenate([np.linspace(ends[0], ends[-1], _BETWEEN // 2), dense])[:, None])
    try:
        corners = logs[Delaunay(logs).simplices]
    except QhullError:  # all in one plane: a layer that is collapsed in every run, say
        return _near(rates, np.arange(len(rates)))[1]
    sizes = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1]))
    drawn = corners[
        np.concatenate(
            [
                chance.choice(len(corners), _BETWEEN // 2, p=sizes / sizes.sum()),
                chance.integers(len(corners), size=_BETWEEN - _BETWEEN // 2),
            ]
        )
    ]
    weights = chance.dirichlet(np.ones(layers + 1), _BETWEEN)
    return rates_of((drawn * weights[:, :, None]).sum(1))


def _in_pockets(points: Floats, runs: Floats, even: Floats) -> npt.NDArray[np.bool_]:
    """Which of the points no model seems to reach, by others that lie equally dense in the hull."""
    scale = np.maximum(runs.std(0), 1e-3)
    nearest = _squares(points / scale, runs / scale).min(1)
    share = (_squares(points / scale, even / scale) < nearest[:, None]).mean(1)
    return np.asarray(share * len(runs) > _POCKET)


def _squares(some: Floats, others: Floats) -> Floats:
    """Squared distances."""
    return np.asarray(((some[:, None] - others) ** 2).sum(-1))


def _apart(points: Floats, limit: int, others: Floats | None = None) -> Indices:
    """Indices of points that are each the farthest from the others and from those before; none twice."""
    if not len(points):
        return np.arange(0)
    scale = np.maximum(np.ptp(points, axis=0), 1e-12)
    scaled = points / scale
    distance = np.full(len(points), np.inf) if others is None else KDTree(others / scale).query(scaled)[0] ** 2
    chosen: list[int] = []
    while len(chosen) < limit and distance.max() > 0:
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, ((scaled - scaled[chosen[-1]]) ** 2).sum(1))
    return np.array(chosen, int)


def _near(rates: Floats, starts: Indices, count: int = _BETWEEN) -> tuple[Floats, Floats]:
    """Some of the points, and one on the way from each to near ones, at random."""
    if len(rates) < 2:
        return rates[:0], rates[:0]
    logs = seen(rates)
    scaled = (logs - logs.mean(0)) / np.maximum(logs.std(0), 1e-3)
    near = _squares(scaled[starts], scaled).argsort(axis=1)[:, 1 : 1 + max(3, 4 * logs.shape[1])]
    chance = np.random.default_rng(0)
    place = chance.integers(len(starts), size=count)
    second, third = (logs[near[place, chance.integers(near.shape[1], size=count)]] for _ in range(2))
    first = logs[starts[place]]
    share = chance.dirichlet([1.0, 1.0, 1.0], count)
    return rates[starts[place]], rates_of(first * share[:, :1] + second * share[:, 1:2] + third * share[:, 2:])


def _at_the_edge(inner: Floats, outer: Floats, beyond: Callable[[Floats], Floats]) -> Floats:
    """Where the way from each point within the bounds to one beyond them leaves these, in log(R + 1)."""
    start, step = seen(inner), seen(outer) - seen(inner)
    low, high = np.zeros((len(inner), 1)), np.ones((len(inner), 1))
    for _ in range(_HALVINGS if len(inner) else 0):
        middle = (low + high) / 2
        kept = (beyond(rates_of(start + middle * step)) <= 0)[:, None]
        low, high = np.where(kept, middle, low), np.where(kept, high, middle)
    return rates_of(start + low * step)
