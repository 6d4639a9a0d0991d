"""Grids of β: their texts, and that their order is a picture at any time."""

from itertools import pairwise

import numpy as np
import pytest

from hit.axes import GRID_DEFAULTS
from hit.errors import ConfigError
from sweeps.space import BetaGrid, RateRegion, subdivision_levels


def test_log_axis_has_its_ends_and_equal_ratios() -> None:
    (axis,) = BetaGrid.parse({1: "0.1:10:21"}, 1, (1.0,)).axes
    assert (axis[0], axis[10], axis[20]) == (0.1, 1.0, 10.0)
    ratios = [high / low for low, high in pairwise(axis)]
    assert max(ratios) == pytest.approx(min(ratios), rel=1e-5)


def test_a_layer_without_an_axis_keeps_its_beta() -> None:
    assert list(BetaGrid.parse({1: "1,2"}, 3, (9.0, 0.5, 0.25))) == [(1.0, 0.5, 0.25), (2.0, 0.5, 0.25)]


@pytest.mark.parametrize("text", ["0.1:10", "10:0.1:3", "0:1:3", "0.1:10:1", "a,b", "-1,2", "nan", "1:2:x"])
def test_a_wrong_axis_is_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match="grid_1 must be"):
        BetaGrid.parse({1: text}, 2, (1.0, 1.0))


def test_an_axis_of_a_layer_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="grid_3 needs a model of 3 layers or more, but L = 2"):
        BetaGrid.parse({3: "1,2"}, 2, (1.0, 1.0))
    with pytest.raises(ConfigError, match="grid_2 needs a model of 2 layers or more, but L = 1"):
        BetaGrid.parse({2: "1,2"}, 1, (1.0,))
    assert BetaGrid.parse({2: GRID_DEFAULTS["grid_2"]}, 1, (1.0,)).axes == ((1.0,),), "the MLproject's default"


def test_every_cell_once() -> None:
    grid = BetaGrid.parse({1: "0.1:10:7", 2: "0.1:10:4"}, 2, (1.0, 1.0))
    assert len(set(grid)) == len(list(grid)) == len(grid) == 28


@pytest.mark.parametrize("count", [2, 3, 5, 9, 21])
def test_coarse_to_fine(count: int) -> None:
    """Wherever the order is cut, the largest gap on an axis is at most about twice the smallest."""
    order = sorted(range(count), key=subdivision_levels(count).__getitem__)
    assert set(order[:2]) == {0, count - 1}
    levels = subdivision_levels(count)
    for level in range(max(levels) + 1):
        seen = sorted(index for index in range(count) if levels[index] <= level)
        gaps = [high - low for low, high in pairwise(seen)]
        assert max(gaps) <= -(-(count - 1) // 2**level)


def test_corners_come_first() -> None:
    grid = BetaGrid.parse({1: "0.1:10:21", 2: "0.1:10:21"}, 2, (1.0, 1.0))
    first = list(grid)[:4]
    assert set(first) == {(0.1, 0.1), (0.1, 10.0), (10.0, 0.1), (10.0, 10.0)}
    assert set(list(grid)[:9]) == {(a, b) for a in (0.1, 1.0, 10.0) for b in (0.1, 1.0, 10.0)}


class TestRegion:
    def test_contains_what_its_text_says(self) -> None:
        region = RateRegion.parse("rate_2=2:20, rate_1=5:40, rate=:50", 2)
        assert list(region.contains([[5, 2], [40, 10], [40, 10.1], [4.9, 10], [10, 20.1], [np.nan, 5]])) == [
            True,
            True,
            False,
            False,
            False,
            False,
        ]
        assert RateRegion.parse(str(region), 2) == region

    def test_open_ends_end_where_the_total_rate_does(self) -> None:
        region = RateRegion.parse("rate_1=5:,rate=:30", 2)
        assert (region.low, region.high) == ((5.0, 0.0), (30.0, 25.0))
        assert not RateRegion.parse("rate_1=5:", 2).bounded
        with pytest.raises(ConfigError, match="must have an upper end"):
            RateRegion.parse("rate_1=5:", 2).sample(1)

    @pytest.mark.parametrize(
        "text", ["rate_1=5:40,rate_2=2:20,rate=:50", "rate_1=:1,rate_2=:1,rate_3=:1,rate=1:2", "rate=:9", "rate_1=2:3"]
    )
    def test_samples_are_even_and_the_volume_is_theirs(self, text: str) -> None:
        region = RateRegion.parse(text, max(2, text.count("rate_")) if text != "rate_1=2:3" else 1)
        drawn = region.sample(20_000)
        assert region.contains(drawn).all()
        box = np.random.default_rng(1).random((200_000, region.layers))
        share = region.contains(region.unscaled(box)).mean()
        sides = np.prod(np.array(region.high) - region.low)
        assert region.volume() == pytest.approx(share * sides, rel=0.02)
        np.testing.assert_allclose(region.unscaled(region.scaled(drawn)), drawn)

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("rate_1=40:5", "region must have 0 ≤ low < high for rate_1, got '40:5'"),
            ("rate_1=-1:5", "0 ≤ low < high"),
            ("rate_1=nan:5", "0 ≤ low < high"),
            ("rate_1=5", "rate_1=low:high in nats, either of them left out, got '5'"),
            ("rate_1=a:b", "rate_1=low:high"),
            ("rate_3=1:2", "rate_3 needs a model of 3 layers or more, but L = 2"),
            ("ratee_1=1:2", "did you mean 'rate_1'"),
            ("rate_1=1:2,rate_1=1:3", "must name rate_1 once"),
            ("rate_1=20:40,rate_2=10:20,rate=:30", "R is at least 30, .* and at most 30"),
            ("rate_1=:4,rate_2=:5,rate=9:", "R is at most 9, .* and at least 9"),
            ("", "such as rate_1=5:40"),
        ],
    )
    def test_a_wrong_or_empty_region_is_one_line(self, text: str, said: str) -> None:
        with pytest.raises(ConfigError, match=said):
            RateRegion.parse(text, 2)
