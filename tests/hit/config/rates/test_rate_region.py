"""Boxes in rate space: their texts, what they hold, and mistakes in one line."""

import numpy as np
import pytest

from hit.config.rates.rate_region import RateBound, RateRegion
from hit.errors import ConfigError


class TestBound:
    def test_text_and_back(self) -> None:
        for text in ("rate_2=2:20", "rate=:60", "rate_1=5:"):
            assert str(RateBound.parse(f" {text} ", 2, "early_stopping")) == text

    def test_a_mistake_names_the_option(self) -> None:
        with pytest.raises(ConfigError, match="early_stopping with rate_3 needs a model of 3 layers or more"):
            RateBound.parse("rate_3=1:2", 2, "early_stopping")


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

    def test_its_text_is_that_of_stored_sweeps(self) -> None:
        """It is hashed into the tag by which the starts of a sweep know each other."""
        assert str(RateRegion.parse("rate=:50, rate_2=2:", 2)) == "rate_1=0:48,rate_2=2:50,rate=0:50"

    def test_its_bounds_are_those_that_have_an_end(self) -> None:
        region = RateRegion.parse("rate_1=5:", 2)
        assert region.bounds == (RateBound("rate_1", 5.0, float("inf")),)

    def test_open_ends_end_where_the_total_rate_does(self) -> None:
        region = RateRegion.parse("rate_1=5:,rate=:30", 2)
        assert (region.low, region.high) == ((5.0, 0.0), (30.0, 25.0))
        assert not RateRegion.parse("rate_1=5:", 2).bounded

    def test_its_box_is_the_unit_cube(self) -> None:
        region = RateRegion.parse("rate_1=5:40,rate_2=2:20,rate=:50", 2)
        np.testing.assert_allclose(region.unscaled([[0, 0], [1, 1], [0.5, 0]]), [[5, 2], [40, 20], [22.5, 2]])
        np.testing.assert_allclose(region.scaled(region.unscaled([0.25, 0.75])), [0.25, 0.75])

    def test_the_smallest_around_rates_holds_them(self) -> None:
        rates = np.array([[5.0, 2.0], [40.0, 10.0], [7.0, 20.1]])
        region = RateRegion.around(rates)
        assert region == RateRegion((5.0, 2.0), (40.0, 20.1), total_low=7.0, total_high=50.0)
        assert region.contains(rates).all()

    def test_rates_beyond_an_end_by_a_last_bit(self) -> None:
        box = RateRegion(low=(0.1, 2.0), high=(1.0, 4.0), total_low=2.5, total_high=4.5)
        rates = np.array([[0.5, 2.0], [1.0, 3.5], [0.1, 2.0], [1.0, 4.0], [1.1, 3.0], [0.5, 1.9]])
        assert list(box.contains(rates)) == [True, True, False, False, False, False]
        beyond = np.array([[0.5, 2.0 * (1 - 1e-12)], [1.0 + 1e-12, 3.5]])
        assert not box.contains(beyond).any()
        assert box.contains(beyond, rounding=1e-9).all()

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
