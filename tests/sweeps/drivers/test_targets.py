"""Grids of β beside rate targets."""

import pytest

from hit.errors import ConfigError
from sweeps.__main__ import parser
from sweeps.spec.request import SweepRequest


def request(*words: str) -> SweepRequest:
    return SweepRequest.parse(parser().parse(words))


def test_a_layer_with_a_target_has_no_axis() -> None:
    asked = request("--target_rate_2", "10", "--grid_1", "0.1,1,10")
    assert asked.grid.axes == ((0.1, 1.0, 10.0), (1.0,))
    assert asked.axes["grid_2"] == ""
    assert all(config.targets.to_flat() == {"target_rate_2": 10} for config in [asked.base])


def test_one_value_is_where_beta_starts() -> None:
    assert request("--max_rate", "50", "--grid_1", "0.5", "--grid_2", "").grid.axes == ((0.5,), (1.0,))


def test_of_a_third_layer() -> None:
    asked = request("--z_dims", "4,5", "--target_rate_3", "7", "--grid_1", "1,2")
    assert asked.base.targets.to_flat() == {"target_rate_3": 7}


def test_an_axis_of_a_layer_with_a_target_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"grid_2 must be one value, .* where a rate target moves it, got '1,2'"):
        request("--target_rate_2", "10", "--grid_2", "1,2")
