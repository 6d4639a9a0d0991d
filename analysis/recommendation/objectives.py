"""What runs are judged by: metrics that are to become larger or smaller, and bounds that are to hold."""

__all__ = [
    "Constraint",
    "Objective",
    "front_extremes",
    "measured_metrics",
    "non_dominated",
    "parse_constraints",
    "parse_objectives",
]

import re
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hit.errors import ConfigError, nearest, shown
from hit.schema import Direction, field_lengths, is_metric, layer_metrics, metric
from hit.schema.metric_groups import GROUPS

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

_DIRECTIONS: dict[str, Direction] = {"min": "minimize", "max": "maximize"}
_CONSTRAINT = re.compile(r"(?P<name>[^<>=]+?)\s*(?P<sign><=|>=)\s*(?P<bound>[^<>=]+)\Z")
#: How MLflow lets metrics be called.
_NAME = re.compile(rf"[\w./ -]{{1,{field_lengths.KEY}}}")
#: Of bounds, in either direction: what is beyond is no number that is measured.
_MOST = 1e12
#: Points that are compared with all others at once.
_AT_ONCE = 64


@dataclass(frozen=True)
class Objective:
    """One metric that is to become larger or smaller.

    Attributes:
        name: in the store.
        direction: which of the two is better.
    """

    name: str
    direction: Direction

    @property
    def sign(self) -> float:
        """1 where smaller is better, −1 where larger is."""
        return 1.0 if self.direction == "minimize" else -1.0

    def __str__(self) -> str:
        return f"{self.name}={self.direction[:3]}"


@dataclass(frozen=True)
class Constraint:
    """A bound on one metric, its value included.

    Attributes:
        name: of the metric in the store.
        bound: in the metric's unit.
        upper: whether the metric is to be at most, rather than at least, the bound.
    """

    name: str
    bound: float
    upper: bool

    def excess(self, values: npt.ArrayLike) -> Floats:
        """By how much values break it; 0 or less where they keep it."""
        return (np.asarray(values, float) - self.bound) * (1 if self.upper else -1)

    def __str__(self) -> str:
        return f"{self.name}{'<=' if self.upper else '>='}{self.bound:g}"


def parse_objectives(text: str, layers: int, groups: Collection[str]) -> tuple[Objective, ...]:
    """Objectives from names of metrics with commas, `=min` or `=max` after those without a direction of their own.

    What is declared nowhere but has `=min` or `=max` is a metric that people log by hand: whether runs have it is for
    those to say who have read the store.

    Args:
        text: such as `test/psnr,test/rate=min`.
        layers: L, which tells the metrics that there are.
        groups: of metrics that runs are measured by (`hit.schema.metric_groups`).

    Raises:
        ConfigError: a metric is unknown, not measured, named twice or without a direction.

    >>> [str(one) for one in parse_objectives("test/psnr, test/rate=min", 2, {"core"})]
    ['test/psnr=max', 'test/rate=min']
    """
    found: dict[str, Objective] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, word = (piece.strip() for piece in part.partition("="))
        by_hand = word in _DIRECTIONS and not is_metric(name) and _NAME.fullmatch(name)
        if not by_hand:
            _check_metric("objectives", name, layers, groups)
        if word and word not in _DIRECTIONS:
            raise ConfigError(f"objectives must have min or max after {name}=, got {shown(word)}")
        direction = _DIRECTIONS[word] if word else metric(name).direction
        if direction is None:
            raise ConfigError(f"objectives must say which way {name} is better: {name}=min or {name}=max")
        if name in found:
            raise ConfigError(f"objectives must name {name} once, got {shown(text)}")
        found[name] = Objective(name, direction)
    if not found:
        raise ConfigError(f"objectives must name one or more metrics, got {shown(text)}")
    return tuple(found.values())


def parse_constraints(text: str, layers: int, groups: Collection[str]) -> tuple[Constraint, ...]:
    """Constraints `metric>=bound` or `metric<=bound`, with commas.

    Args:
        text: such as `test/psnr>=20,test/rate_2<=15`; empty for none.
        layers: L.
        groups: of metrics that runs are measured by.

    Raises:
        ConfigError: not of this form, or a metric is unknown or not measured.

    >>> [str(one) for one in parse_constraints("test/psnr >= 20", 2, {"core"})]
    ['test/psnr>=20']
    """
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = _CONSTRAINT.match(part)
        try:
            bound = float(match["bound"]) if match else np.nan
        except ValueError:
            bound = np.nan
        if match is None or not abs(bound) <= _MOST:
            raise ConfigError(f"constraints must be metric>=number or metric<=number, with commas, got {shown(part)}")
        _check_metric("constraints", match["name"], layers, groups)
        found.append(Constraint(match["name"], bound, match["sign"] == "<="))
    return tuple(found)


def measured_metrics(layers: int) -> list[str]:
    """Names of all metrics that a run of L layers may have; not of those that the analysis makes of them."""
    return [declared.name for declared in layer_metrics(layers) if declared.group != "analysis"]


def non_dominated(points: Floats) -> npt.NDArray[np.bool_]:
    """Which points no other one is at least as small as in every coordinate and smaller in one (Pareto front), N.

    Args:
        points: N×D, finite, where smaller is better.

    >>> non_dominated(np.array([[1.0, 2.0], [2.0, 2.0], [2.0, 1.0], [1.0, 2.0]])).tolist()
    [True, False, True, True]
    """
    different, place = np.unique(points, axis=0, return_inverse=True)
    kept = np.zeros(len(different), bool)
    left = np.arange(len(different))
    while len(left):  # in the order of their coordinates: whatever dominates a point stands before it
        first = left[0]
        kept[first] = True
        left = left[(different[left] < different[first]).any(1)]
    return kept[place.ravel()]


def front_extremes(points: Floats) -> tuple[Indices, Indices]:
    """Indices of the points of the Pareto front that are best, and of those that are worst, in each coordinate, D each.

    Args:
        points: N×D, finite, where smaller is better.

    >>> front_extremes(np.array([[1.0, 2.0], [2.0, 2.0], [2.0, 1.0]]))
    (array([0, 2]), array([2, 0]))
    """
    dimensions = points.shape[1]
    orders = [np.lexsort([*np.delete(points, place, 1).T, points[:, place]]) for place in range(dimensions)]
    best = np.array([order[0] for order in orders])
    return best, best[::-1] if dimensions == 2 else np.array([_last_on_front(points, order) for order in orders])


def _last_on_front(points: Floats, order: Indices) -> int:
    """Of points in an order that begins with one on the front, the last that is."""
    for end in range(len(order), 0, -_AT_ONCE):
        looked_at = order[max(end - _AT_ONCE, 0) : end]
        as_good, better = np.array(True), np.array(False)
        for own in points.T:
            as_good, better = as_good & (own <= own[looked_at, None]), better | (own < own[looked_at, None])
        beaten = (as_good & better).any(1)
        if not beaten.all():
            return int(looked_at[~beaten][-1])
    return int(order[0])


def _check_metric(option: str, name: str, layers: int, groups: Collection[str]) -> None:
    known = measured_metrics(layers)
    if name not in known:
        raise ConfigError(f"{option} must name metrics of the store, got {shown(name)}{nearest(name, known)}")
    group = metric(name).group
    if group in GROUPS and group not in groups:
        raise ConfigError(f"metrics must hold {group} for {name} to be measured, got {','.join(sorted(groups))}")
