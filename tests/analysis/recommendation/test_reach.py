"""Candidates lie evenly where the optimum may be, and on the edge of what bounds on rates allow."""

import numpy as np
import numpy.typing as npt
import pytest

from analysis.recommendation.drawn_scores import beyond_rates
from analysis.recommendation.objectives import Constraint
from analysis.recommendation.reach import Reach, seen

Floats = npt.NDArray[np.float64]


def runs(layers: int) -> Floats:
    return np.exp(3.2 * np.random.default_rng(0).random((60, layers))) - 0.9


@pytest.mark.parametrize("bound", [Constraint("test/rate", 12.0, True), Constraint("test/rate_1", 3.0, False)])
@pytest.mark.parametrize("layers", [1, 2, 3, 5])
def test_candidates_lie_on_the_edge_of_a_bound_on_rates(layers: int, bound: Constraint) -> None:
    reach, beyond = Reach.of(runs(layers)), beyond_rates([bound, Constraint("test/psnr", 17.0, False)])
    assert beyond is not None
    more = reach.between(np.arange(len(reach.points)), beyond)
    excess = beyond(more)
    assert (excess <= 0).all()
    assert (excess > -1e-4).sum() >= (50 if layers > 1 else 1)


def test_candidates_are_as_dense_where_there_were_few() -> None:
    square = np.exp(2 * np.random.default_rng(1).random((40, 2)))
    crowd = np.exp(0.5 + 0.1 * np.random.default_rng(2).random((200, 2)))
    reach = Reach(np.concatenate([square, crowd]))
    more = seen(reach.between(np.arange(len(reach.points))))
    inside = ((more > seen(crowd).min(0)) & (more < seen(crowd).max(0))).all(1)
    area = np.prod(np.ptp(seen(crowd), axis=0)) / np.prod(np.ptp(seen(square), axis=0))
    assert inside.mean() < 10 * area, "of points near to near ones, five in six would lie in the crowd"


def test_nothing_is_near_to_where_nothing_is_allowed() -> None:
    reach = Reach.of(runs(2))
    beyond = beyond_rates([Constraint("test/rate", 0.0, True)])
    assert len(reach.between(np.arange(len(reach.points)), beyond)) == 0
    assert beyond_rates([Constraint("test/psnr", 17.0, False)]) is None
