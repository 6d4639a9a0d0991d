"""A bar a run with the rates of all its layers, sorted by score, and the share of each layer at the optimum."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis.figures import logarithmic, rate_profile
from analysis.recommendation.recommender import Recommendation, recommend
from hit.errors import StoreError

MakeFrame = Callable[..., pd.DataFrame]
#: Runs along each β, by the number of layers.
SIDES = {1: 12, 2: 4, 3: 3, 6: 2}


@pytest.mark.parametrize("layers", SIDES)
def test_bars_are_the_rates_of_the_best_runs_sorted_by_score(make_frame: MakeFrame, layers: int) -> None:
    frame = make_frame(SIDES[layers], layers=layers)
    figure = rate_profile(frame, "test/distortion")
    best = frame.sort_values("test/distortion", kind="stable").head(60)
    bars = [one for one in figure.data if one.type == "bar"]
    assert len(bars) == layers
    for layer, bar in enumerate(bars, 1):  # the first lies at the bottom
        np.testing.assert_allclose(bar.y, best[f"test/rate_{layer}"])
        assert list(bar.ids) == list(best["run_id"])
    assert len({bar.marker.color for bar in bars}) == layers
    assert figure.layout.barmode == "stack"
    assert logarithmic(figure) == figure, "stacks have no logarithm"


def test_more_runs_than_there_is_room_for_are_said(make_frame: MakeFrame) -> None:
    figure = rate_profile(make_frame(2, layers=6), "test/psnr")
    assert "the best 60 of 64 runs, by<br>PSNR: " in figure.layout.xaxis.title.text
    assert (
        "the best 5 of 27 runs" in rate_profile(make_frame(3, layers=3), "test/psnr", at_most=5).layout.xaxis.title.text
    )
    assert figure.data[0].x[-1] == 60
    with pytest.raises(StoreError, match="at_most must be 1 or more, got 0"):
        rate_profile(make_frame(2), "test/psnr", at_most=0)


@pytest.mark.parametrize("asked", ["reconstruction", "test/psnr:1,test/rate:-0.5"])
@pytest.mark.parametrize("layers", [2, 3, 6])
def test_a_recommendation_marks_its_run_and_shares_the_rate(make_frame: MakeFrame, layers: int, asked: str) -> None:
    found = recommend(make_frame(SIDES[layers], layers=layers), asked)
    frame = make_frame(SIDES[layers], layers=layers)
    figure = rate_profile(frame, found)
    assert figure.data[0].ids[0] == found.run["run_id"], "the best first"
    assert frame["run_name"][frame["run_id"] == found.run["run_id"]].item() == figure.data[0].customdata[0][0]
    (mark,) = [one for one in figure.data if one.name == "best run"]
    assert mark.x == (1,)
    (shares,) = [one for one in figure.data if one.xaxis == "x2"]
    assert sum(shares.x) == pytest.approx(100)
    assert len(shares.x) == layers
    assert all(x >= less and x + more <= 100 + 1e-9 for x, less, more in _bars(shares))


def test_shares_vary_with_the_optima_that_the_runs_allow(make_frame: MakeFrame) -> None:
    found = recommend(make_frame(4, layers=3), "representation")
    assert found.estimate is not None
    optimum = np.array(found.estimate.optimum)
    for one, share in zip(found.shares, optimum / optimum.sum(), strict=True):
        assert one.share == pytest.approx(share)
        assert one.low is not None
        assert one.high is not None
        assert 0 <= one.low <= one.share <= one.high <= 1


def test_no_uncertainty_of_shares_is_told_where_none_is_known(make_frame: MakeFrame) -> None:
    few = recommend(make_frame(3, layers=3).head(5), "reconstruction")
    assert few.estimate is None
    assert sum(one.share for one in few.shares) == pytest.approx(1)
    rates = few.run[["test/rate_1", "test/rate_2", "test/rate_3"]].astype(float)
    assert [one.share for one in few.shares] == pytest.approx(list(rates / rates.sum()))
    _nothing_known(few, make_frame(3, layers=3).head(5), "(no error known)")
    frame = make_frame(3, layers=3)
    frame["test/psnr"] = np.random.default_rng(0).standard_normal(len(frame))
    noise = recommend(frame, "reconstruction")
    assert noise.estimate is not None
    assert noise.estimate.is_guess
    _nothing_known(noise, frame, f"({noise.hedge})")


def test_where_any_place_is_as_good_no_share_is_recommended(make_frame: MakeFrame) -> None:
    frame = make_frame(3, layers=3).assign(**{"test/psnr": 20.0})
    found = recommend(frame, "reconstruction")
    assert found.is_constant
    assert found.shares == ()
    assert not any(one.xaxis == "x2" for one in rate_profile(frame, found).data)


def test_names_of_a_store_are_inert(make_frame: MakeFrame) -> None:
    frame = make_frame(2, layers=3).assign(run_name="<b>bold</b>")
    assert rate_profile(frame, "test/psnr").data[0].customdata[0][0] == "&lt;b&gt;bold&lt;/b&gt;"


def _nothing_known(found: Recommendation, frame: pd.DataFrame, hedge: str) -> None:
    assert all(one.low is one.high is None for one in found.shares)
    figure = rate_profile(frame, found)
    (shares,) = [one for one in figure.data if one.xaxis == "x2"]
    assert shares.error_x.visible is False
    assert all("of no known uncertainty" in text for text in shares.text)
    assert hedge in figure.layout.xaxis2.title.text


def _bars(shares: object) -> list[tuple[float, float, float]]:
    return list(zip(shares.x, shares.error_x.arrayminus, shares.error_x.array, strict=True))  # type: ignore[attr-defined]
