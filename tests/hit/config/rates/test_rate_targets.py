"""Rate targets as options: what they may be, what misses them, and what they change in a run's identity."""

import pytest

from hit.config import TrainConfig
from hit.config.rates.rate_targets import RateTarget, RateTargets
from hit.errors import ConfigError
from hit.models import check_fit


def config(**flat: object) -> TrainConfig:
    return TrainConfig.from_flat({"channels": 4, "z_dims": 5, "batch_size": 64, **flat})


def test_flat_and_back() -> None:
    asked = config(z_dims="4,5", target_rate_1="30", max_rate_3=2.5, max_rate="50", target_rate_2="")
    assert asked.targets == RateTargets((RateTarget(30), None, RateTarget(2.5, True)), RateTarget(50, True))
    assert TrainConfig.from_flat({name: str(value) for name, value in asked.to_flat().items()}) == asked


def test_a_target_is_missed_by_more_than_five_per_cent_and_a_bound_only_from_above() -> None:
    asked = config(target_rate_1=10, max_rate_2=4, max_rate=12).targets
    found = {"test/rate_1": 9.4, "test/rate_2": 1.0, "test/rate": 10.4}
    assert asked.missed(found) == {"target_rate_1": pytest.approx(-0.06)}
    found = {"test/rate_1": 10.4, "test/rate_2": 4.3, "test/rate": 12.5}
    assert asked.missed(found) == {"max_rate_2": pytest.approx(0.075)}


@pytest.mark.parametrize(
    ("flat", "line"),
    [
        ({"target_rate_1": "0"}, "target_rate_1 must be a finite number greater than 0, got '0'"),
        ({"max_rate": -3}, "max_rate must be a finite number greater than 0, got -3"),
        ({"target_rate_2": "inf"}, "target_rate_2 must be a finite number greater than 0, got 'inf'"),
        ({"target_rate_2": "nan"}, "target_rate_2 must be a finite number greater than 0, got 'nan'"),
        ({"target_rate_2": "ten"}, "target_rate_2 must be a number of nats or empty, got 'ten'"),
        ({"target_rate_3": 3}, "target_rate_3 needs a model of 3 layers or more, but L = 2, got 3"),
        ({"model": "vae", "max_rate_2": 3}, "max_rate_2 needs a model of 2 layers or more, but L = 1, got 3"),
        ({"target_rate_1": 3, "max_rate_1": 4}, "max_rate_1 must be empty where target_rate_1 is given, got 4"),
        ({"target_rate": 3, "max_rate": 4}, "max_rate must be empty where target_rate is given, got 4"),
        (
            {"target_rate_1": 3, "target_rate_2": 4, "target_rate": 9},
            "target_rate must be empty where every layer has a target_rate of its own, got 9",
        ),
        (
            {"target_rate_1": 30, "max_rate": 20},
            "max_rate must be greater than the sum of the layers' target rates (30), got 20",
        ),
        (
            {"target_rate_1": 3, "beta_1": 0},
            "beta_1 must be from 0.0001 to 10000 where a rate target moves it, got 0",
        ),
        (
            {"target_rate": 3, "beta_2": 1e5},
            "beta_2 must be from 0.0001 to 10000 where a rate target moves it, got 100000",
        ),
    ],
)
def test_a_mistake_is_one_line(flat: dict[str, object], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TrainConfig.from_flat(flat)
    assert str(caught.value) == line


def test_a_misspelt_target_is_told() -> None:
    with pytest.raises(ConfigError, match="did you mean 'target_rate_1'"):
        TrainConfig.from_flat({"taget_rate_1": 3})


def test_more_than_the_images_can_hold() -> None:
    check_fit(config(target_rate_1=543), (1, 28, 28))
    check_fit(config(max_rate_1=1e6), (1, 28, 28))
    check_fit(config(target_rate_1=4000, likelihood="gaussian"), (1, 28, 28))
    with pytest.raises(ConfigError, match=r"target_rate_1 must be at most 543.4 nats, what 1×28×28 pixels of 2 lev"):
        check_fit(config(target_rate_1=544), (1, 28, 28))


def test_identity_tells_targets_apart_and_knows_nothing_of_none() -> None:
    plain = config().identity("d")
    assert config(target_rate_1="", max_rate=None).identity("d") == plain
    hashes = [config(**{name: 30}).identity("d") for name in ("target_rate_1", "max_rate_1", "target_rate")]
    assert len({plain, *hashes, config(target_rate_1=31).identity("d")}) == 5
    assert config(target_rate_1="3e1").identity("d") == hashes[0]
    assert config(target_rate_1=30).numbers()["target_rate_1"] == 30
