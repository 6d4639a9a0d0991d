"""Two rate-distortion curves compared by one number: Bjøntegaard deltas, and the bits of one at a quality."""

__all__ = ["RateDistortionCurve", "bd_psnr", "bd_rate"]

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: A cubic through fewer points says nothing that a line does not.
_FEWEST = 3


@dataclass(frozen=True)
class RateDistortionCurve:
    """Points of a code from the coarsest to the finest: more bits, and a higher PSNR.

    Attributes:
        bits: per image, positive and rising.
        psnr: dB, rising.
    """

    bits: Floats
    psnr: Floats

    @classmethod
    def of(cls, points: Iterable[tuple[float, float]]) -> "RateDistortionCurve":
        """Of (bits, PSNR) in any order; a point that another one beats, or equals, in both is left out."""
        kept: list[tuple[float, float]] = []
        for bits, psnr in sorted(points, key=lambda point: (point[0], -point[1])):
            if bits > 0 and (not kept or psnr > kept[-1][1]):
                kept.append((bits, psnr))
        columns = np.array(kept, np.float64).reshape(-1, 2)
        return cls(columns[:, 0], columns[:, 1])

    def bits_at(self, psnr: float) -> float | None:
        """Bits per image at a PSNR, log bits being interpolated by PCHIP; None outside the curve.

        >>> curve = RateDistortionCurve.of([(100, 20), (200, 25), (400, 30)])
        >>> round(curve.bits_at(25)), curve.bits_at(31)
        (200, None)
        """
        if len(self.bits) < 2 or not self.psnr[0] <= psnr <= self.psnr[-1]:
            return None
        return float(np.exp(_pchip(self.psnr, np.log(self.bits))(psnr)))


def bd_rate(anchor: RateDistortionCurve, other: RateDistortionCurve) -> float | None:
    """By how much the other curve takes more bits than the anchor at equal PSNR, as a share: −0.1 is a tenth less.

    The mean difference of log bits over the PSNR that both have, as G. Bjøntegaard asked (VCEG-M33, 2001), with PCHIP
    in place of one cubic (https://arxiv.org/abs/2202.12565 says why).

    Returns:
        None where a curve has fewer than three points or they share no PSNR.

    >>> anchor = RateDistortionCurve.of([(100, 20), (200, 25), (400, 30)])
    >>> round(bd_rate(anchor, RateDistortionCurve.of([(90, 20), (180, 25), (360, 30)])), 6)
    -0.1
    """
    delta = _mean_difference(anchor.psnr, np.log(anchor.bits), other.psnr, np.log(other.bits))
    return None if delta is None else float(np.expm1(delta))


def bd_psnr(anchor: RateDistortionCurve, other: RateDistortionCurve) -> float | None:
    """By how many dB the other curve is above the anchor at equal bits: their mean difference over log bits.

    Returns:
        None where a curve has fewer than three points or they share no bits.
    """
    return _mean_difference(np.log(anchor.bits), anchor.psnr, np.log(other.bits), other.psnr)


def _mean_difference(x: Floats, y: Floats, other_x: Floats, other_y: Floats) -> float | None:
    """The mean of the second minus the first curve where both are."""
    if min(len(x), len(other_x)) < _FEWEST:
        return None
    low, high = max(x[0], other_x[0]), min(x[-1], other_x[-1])
    if not low < high:
        return None
    area, other = (float(_pchip(*curve).integrate(low, high)) for curve in ((x, y), (other_x, other_y)))
    return float((other - area) / (high - low))


def _pchip(x: Floats, y: Floats) -> Any:
    from scipy.interpolate import PchipInterpolator  # takes a while to import, and most commands need none

    return PchipInterpolator(x, y)
