"""Fronts and volumes, by brute force; constraints by their texts."""

import numpy as np
import pytest

from analysis.recommendation.objectives import non_dominated, parse_constraints
from hit.config.rates.rate_region import RateRegion
from hit.errors import ConfigError
from sweeps.drivers.hypervolume import hypervolume
from sweeps.spec.driver_options import region_constraints


@pytest.mark.parametrize("dimensions", [1, 2, 3, 4])
def test_the_hypervolume_is_the_share_of_points_that_are_dominated(dimensions: int) -> None:
    chance = np.random.default_rng(dimensions)
    points = chance.random((12, dimensions))
    points[3] = points[5]  # twice the same adds nothing
    drawn = chance.random((100_000, dimensions))
    dominated = (points[:, None] <= drawn[None]).all(-1).any(0).mean()
    assert hypervolume(points, np.ones(dimensions)) == pytest.approx(dominated, abs=0.006)
    assert hypervolume(points + 1, np.ones(dimensions)) == 0.0


def test_non_dominated_by_definition() -> None:
    points = np.random.default_rng(0).integers(0, 6, (60, 3)).astype(float)
    expected = [not any((other <= point).all() and (other < point).any() for other in points) for point in points]
    assert non_dominated(points).tolist() == expected


def test_a_region_as_constraints_holds_what_the_region_contains() -> None:
    region = RateRegion.parse("rate_1=5:40,rate_2=:20,rate=10:50", 2)
    constraints = region_constraints(region)
    assert sorted(map(str, constraints)) == [
        "test/rate<=50",
        "test/rate>=10",
        "test/rate_1<=40",
        "test/rate_1>=5",
        "test/rate_2<=20",
    ]
    rates = np.random.default_rng(0).uniform(0, 60, (500, 2))
    measured = {"test/rate_1": rates[:, 0], "test/rate_2": rates[:, 1], "test/rate": rates.sum(1)}
    kept = np.all([one.excess(measured[one.name]) <= 0 for one in constraints], axis=0)
    assert kept.tolist() == region.contains(rates).tolist()


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("test/bound_slack_reconstruction", "core"),
        ("test/seconds", "core"),
        ("test/bound_slack_z2", "latents"),
        ("test/bound_slack_inception_score", "generation"),
        ("sample/fid_inception", "inception"),
    ],
)
def test_a_constraint_takes_the_group_that_measures_its_metric(name: str, group: str) -> None:
    (one,) = parse_constraints(f"{name}>=0", 2, {group})
    assert one.name == name
    with pytest.raises(ConfigError, match=f"metrics must hold {group} for {name} to be measured, got no_such"):
        parse_constraints(f"{name}>=0", 2, {"no_such"})


def test_a_bound_is_kept_by_its_own_value() -> None:
    (least,) = parse_constraints("test/psnr >= 20", 2, {"core"})
    assert (least.excess([19.0, 20.0, 21.0]) <= 0).tolist() == [False, True, True]
