"""Bjøntegaard deltas of curves whose answer is known."""

import pytest

from hit.coding.bjontegaard import RateDistortionCurve, bd_psnr, bd_rate

# Points of VCEG-M33's kind; the package bjontegaard 1.3.0 gives these deltas for them with method="pchip".
_ANCHOR = RateDistortionCurve.of([(686.76, 40.28), (309.58, 37.18), (157.11, 34.24), (85.95, 31.42)])
_OTHER = RateDistortionCurve.of([(893.34, 40.39), (407.8, 37.21), (204.93, 34.17), (112.75, 31.24)])


def test_deltas_are_those_of_the_package_of_that_name() -> None:
    assert bd_rate(_ANCHOR, _OTHER) == pytest.approx(0.31379878202397, rel=1e-9)
    assert bd_psnr(_ANCHOR, _OTHER) == pytest.approx(-1.1834724046224, rel=1e-9)


def test_equal_shifts_are_what_they_are() -> None:
    less = RateDistortionCurve(_ANCHOR.bits * 0.75, _ANCHOR.psnr)
    better = RateDistortionCurve(_ANCHOR.bits, _ANCHOR.psnr + 1.5)
    assert bd_rate(_ANCHOR, less) == pytest.approx(-0.25)
    assert bd_psnr(_ANCHOR, better) == pytest.approx(1.5)
    assert bd_rate(_ANCHOR, _ANCHOR) == pytest.approx(0)


def test_there_is_no_delta_without_points_in_common() -> None:
    few = RateDistortionCurve.of([(100, 31), (200, 35)])
    above = RateDistortionCurve(_ANCHOR.bits * 100, _ANCHOR.psnr + 50)
    assert bd_rate(_ANCHOR, few) is None
    assert bd_psnr(_ANCHOR, few) is None
    assert bd_rate(_ANCHOR, above) is None
    assert bd_psnr(_ANCHOR, above) is None


def test_points_that_others_beat_are_left_out() -> None:
    curve = RateDistortionCurve.of([(400, 30), (100, 20), (300, 19), (100, 18), (200, 25), (0, 10)])
    assert curve.bits.tolist() == [100, 200, 400]
    assert curve.psnr.tolist() == [20, 25, 30]
    assert curve.bits_at(25) == pytest.approx(200)
    assert curve.bits_at(19.9) is None
