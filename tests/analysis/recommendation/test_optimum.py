"""The region holds the optimum of surfaces that are known, about as often as it says."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from analysis.recommendation.metric_surrogate import Surrogate
from analysis.recommendation.objectives import Constraint, Objective
from analysis.recommendation.optimum import LEVEL, Estimate, estimate, fewest
from analysis.recommendation.reach import Reach

Floats = npt.NDArray[np.float64]
_UNIT = 3.2


class Known:
    """A smooth hill over rate space whose place and width depend on the seed, seen through noise."""

    def __init__(self, seed: int, layers: int, count: int, noise: float) -> None:
        chance = np.random.default_rng(seed)
        self.top = chance.uniform(0.25, 0.75, layers)
        self.width = chance.uniform(0.3, 0.8)
        self.rates = np.exp(_UNIT * chance.random((count, layers))) - 0.9
        self.frame = pd.DataFrame({f"test/rate_{layer + 1}": self.rates[:, layer] for layer in range(layers)})
        self.frame["test/rate"] = self.rates.sum(1)
        self.frame["score"] = self.at(self.rates) + noise * chance.standard_normal(count)

    def at(self, rates: Floats) -> Floats:
        places = np.log(rates + 0.9) / _UNIT
        hill = np.exp(-(((places - self.top) / self.width) ** 2).sum(-1))
        return np.asarray(hill + 0.15 * np.sin(3 * places[..., 0]))

    def estimate(self, *constraints: Constraint) -> Estimate | None:
        objective = Objective("score", "maximize")
        return estimate(self.frame, self.rates.shape[1], objective, constraints, self.frame.iloc[:0])

    def optimum(self) -> Floats:
        """Of many points within reach of the runs."""
        reach = Reach.of(self.rates)
        for _ in range(3):
            reach = reach.finer(np.argsort(-self.at(reach.points))[:80])
        return np.asarray(reach.points[self.at(reach.points).argmax()])


def holds(found: Estimate, point: Floats) -> bool:
    return bool(np.all((np.array(found.box.low) <= point + 1e-6) & (point <= np.array(found.box.high) + 1e-6)))


@pytest.mark.parametrize(("layers", "count", "noise"), [(1, 14, 0.05), (2, 25, 0.03), (3, 60, 0.05)])
def test_the_region_holds_the_optimum_about_as_often_as_it_says(layers: int, count: int, noise: float) -> None:
    held = []
    for seed in range(12):
        known = Known(seed, layers, count, noise)
        found = known.estimate()
        assert found is not None
        held.append(holds(found, known.optimum()))
    # Twelve trials at the promised level: 8 or fewer has a probability of 3 %.
    assert np.mean(held) >= LEVEL - 0.15


def test_the_region_is_smaller_where_more_is_known() -> None:
    def side(count: int, noise: float) -> float:
        sides = []
        for seed in range(3):
            found = Known(seed, 2, count, noise).estimate()
            assert found is not None
            sides.append(np.log((np.array(found.box.high) + 1) / (np.array(found.box.low) + 1)).mean())
        return float(np.mean(sides))

    assert side(100, 0.02) < 0.6 * side(16, 0.2)


def test_the_noise_of_a_run_is_learned_from_the_runs() -> None:
    found = [Known(seed, 2, 120, 0.1).estimate() for seed in range(4)]
    assert np.mean([one.noise for one in found if one]) == pytest.approx(0.1, rel=0.3)


def test_the_expected_value_is_right_within_its_error() -> None:
    off = []
    for seed in range(10):
        known = Known(seed, 2, 50, 0.05)
        found = known.estimate()
        assert found is not None
        off.append((found.value - float(known.at(np.array([found.optimum]))[0])) / found.error)
    assert np.sqrt(np.mean(np.square(off))) < 2


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_too_few_runs_give_none(layers: int) -> None:
    assert Known(0, layers, fewest(layers) - 1, 0.05).estimate() is None
    assert Known(0, layers, fewest(layers), 0.05).estimate() is not None


def test_the_same_run_many_times_is_one() -> None:
    known = Known(0, 2, 6, 0.05)
    known.frame = pd.concat([known.frame] * 10, ignore_index=True)
    assert known.estimate() is None


def test_replicates_and_collapsed_layers_do_no_harm() -> None:
    known = Known(1, 2, 40, 0.05)
    known.frame.loc[:19, "test/rate_2"] = 0.0
    known.frame = pd.concat([known.frame, known.frame.head(10)], ignore_index=True)
    found = known.estimate()
    assert found is not None
    assert found.box.low[1] >= 0
    assert np.isfinite([found.value, found.error, found.noise, *found.box.high]).all()


@pytest.mark.parametrize("value", [0.0, 7.5])
def test_a_score_that_does_not_vary_leaves_everything_open(value: float) -> None:
    known = Known(2, 2, 30, 0.0)
    known.frame["score"] = value
    found = known.estimate()
    assert found is not None
    assert found.value == pytest.approx(value)


def test_pure_noise_is_told_as_unexplained() -> None:
    known = Known(3, 2, 60, 0.0)
    known.frame["score"] = np.random.default_rng(0).standard_normal(60)
    found = known.estimate()
    assert found is not None
    assert found.explained < 0.3


def test_constraints_on_rates_and_metrics_bound_the_region() -> None:
    known = Known(4, 2, 60, 0.02)
    known.frame["cost"] = known.frame["test/rate_1"] * 2
    found = known.estimate(Constraint("test/rate", 12.0, True), Constraint("cost", 10.0, True))
    assert found is not None
    assert found.box.total_high <= 12 + 1e-6
    assert found.optimum[0] <= 5.5
    assert known.estimate(Constraint("test/rate", 0.0, True)) is None


def test_a_rate_as_the_score_is_known_exactly_and_its_bound_is_not() -> None:
    known = Known(5, 2, 60, 0.02)
    least = float(known.frame["score"].quantile(0.7))
    objective, constraint = Objective("test/rate", "minimize"), Constraint("score", least, False)
    found = estimate(known.frame, 2, objective, (constraint,), known.frame.iloc[:0])
    assert found is not None
    assert found.value == pytest.approx(sum(found.optimum))
    assert found.error > 0
    assert found.noise == 0


def test_the_gain_over_a_line_of_runs_is_what_it_is() -> None:
    known = Known(6, 2, 100, 0.02)
    line = np.column_stack([np.linspace(1, 20, 12)] * 2)
    equal = pd.DataFrame({"test/rate_1": line[:, 0], "test/rate_2": line[:, 1], "test/rate": line.sum(1)})
    equal["score"] = known.at(line)
    rows = pd.concat([known.frame, equal], ignore_index=True)
    found = estimate(rows, 2, Objective("score", "maximize"), (), equal)
    assert found is not None
    assert found.gain is not None
    assert found.gain_error is not None
    true = float(known.at(known.optimum()) - known.at(np.column_stack([np.linspace(1, 20, 999)] * 2)).max())
    assert abs(found.gain - max(true, 0)) < 3 * found.gain_error + 0.02


def test_thousands_of_runs_are_thinned() -> None:
    known = Known(7, 2, 5000, 0.1)
    found = known.estimate()
    assert found is not None
    assert holds(found, known.optimum())
    surrogate = Surrogate.fit(known.rates, known.frame["score"].to_numpy(float))
    assert len(surrogate.processes[0].X_train_) <= 500


def test_draws_agree_with_mean_and_error() -> None:
    known = Known(8, 2, 20, 0.1)
    surrogate = Surrogate.fit(known.rates, known.frame["score"].to_numpy(float))
    points = Reach.of(known.rates).points[::20]
    mean, error = surrogate.predict(points)
    draws = surrogate.draws(points, 4000)
    np.testing.assert_allclose(draws.mean(0), mean, atol=0.1 * error.max())
    np.testing.assert_allclose(draws.std(0), error, rtol=0.15, atol=1e-3)
    assert len(draws) == 4000
