"""Several layers by one name: β of each, and the sum of their rates."""

import pytest

from hit.cli import CONFIG
from hit.config import TrainConfig
from hit.errors import ConfigError
from hit.schema import is_metric
from hit.train import parser

SIX = {"z_dims": "2,3,4,5,6"}


def test_a_group_of_betas_is_the_same_as_each_of_them() -> None:
    one = TrainConfig.from_flat({**SIX, "beta_1-3": "0.5", "beta_5-6": 2})
    assert one.betas == (0.5, 0.5, 0.5, 1, 2, 2)
    each = TrainConfig.from_flat({**SIX, "beta_1": 0.5, "beta_2": 0.5, "beta_3": 0.5, "beta_5": 2, "beta_6": 2})
    assert one.identity("d") == each.identity("d")
    assert TrainConfig.from_flat(one.to_flat()) == one


def test_defaults_that_a_project_hands_on_give_way() -> None:
    assert TrainConfig.from_flat({"beta_1": "1.0", "beta_1-2": "0.5", "beta_2": 0.5}).betas == (0.5, 0.5)


def test_a_group_of_rates_is_one_target() -> None:
    config = TrainConfig.from_flat({**SIX, "target_rate_4-6": "20", "max_rate_2-3": 9, "target_rate_1": 5})
    assert config.targets.to_flat() == {"target_rate_1": 5, "max_rate_2-3": 9, "target_rate_4-6": 20}
    assert TrainConfig.from_flat(config.to_flat()) == config
    assert all(config.targets.steered(layer) for layer in range(1, 7))
    rates = {f"test/rate_{layer}": float(layer) for layer in range(1, 7)}
    errors = config.targets.relative_errors("test", rates)
    assert errors == {
        "test/rate_error_1": pytest.approx(-0.8),
        "test/rate_error_2-3": pytest.approx(-4 / 9),
        "test/rate_error_4-6": pytest.approx(-0.25),
    }
    assert all(is_metric(name) and is_metric(name.replace("test", "train")) for name in errors)
    assert set(config.targets.missed(rates)) == {"target_rate_1", "target_rate_4-6"}


def test_the_command_line_takes_them() -> None:
    typed = parser().parse(["--z_dims", "2,3", "--beta_1-3", "0.5", "--target_rate_2-3=4"])[CONFIG]
    config = TrainConfig.from_flat(typed)
    assert (config.betas, config.targets.to_flat()) == ((0.5, 0.5, 0.5), {"target_rate_2-3": 4})


@pytest.mark.parametrize(
    ("flat", "line"),
    [
        ({"beta_3-1": 2}, "beta_3-1 must name layers from a lower one to a higher one, got 2"),
        ({"target_rate_2-2": 2}, "target_rate_2-2 must name layers from a lower one to a higher one, got 2"),
        ({"beta_4-7": 2}, "beta_4-7 needs a model of 7 layers or more, but L = 6, got 2"),
        ({"max_rate_4-7": 2}, "max_rate_4-7 needs a model of 7 layers or more, but L = 6, got 2"),
        ({"beta_1-3": 2, "beta_2": 3}, "beta_1-3 must share no layer with beta_2, got 2"),
        ({"beta_1-3": 2, "beta_3-4": 3}, "beta_3-4 must share no layer with beta_1-3, got 3"),
        ({"target_rate_1-3": 2, "max_rate_2": 3}, "target_rate_1-3 must share no layer with max_rate_2, got 2"),
        ({"target_rate_1-3": 2, "max_rate_3-4": 3}, "max_rate_3-4 must share no layer with target_rate_1-3, got 3"),
        ({"target_rate_1-3": 2, "max_rate_1-3": 3}, "max_rate_1-3 must be empty where target_rate_1-3 is given, got 3"),
        (
            {"target_rate_1-6": 2, "target_rate": 3},
            "target_rate must be empty where every layer has a target_rate of its own, got 3",
        ),
        (
            {"target_rate_1-3": 4, "target_rate": 3},
            "target_rate must be greater than the sum of the layers' target rates (4), got 3",
        ),
    ],
)
def test_a_mistake_is_one_line(flat: dict[str, object], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TrainConfig.from_flat({**SIX, **flat})
    assert str(caught.value) == line
