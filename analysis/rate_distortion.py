"""Measured bits and PSNR of the runs' lossy codes, of all together, and of image files, as curves that compare."""

__all__ = ["CodedPoints", "coded_points", "file_curves", "front", "png_bits", "same_images"]

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.frame import finished, values
from hit.coding.bjontegaard import RateDistortionCurve
from hit.schema import FILE_QUALITIES, LOSSY_STEPS

_FORMATS = {"jpeg": "JPEG", "webp": "WebP"}


@dataclass(frozen=True, eq=False)
class CodedPoints:
    """What the finished runs take at one step.

    Attributes:
        step: in posterior widths.
        bits: per image, by the frame's index; only runs that have both.
        psnr: dB, likewise.
    """

    step: int
    bits: pd.Series
    psnr: pd.Series


def coded_points(frame: pd.DataFrame) -> list[CodedPoints]:
    """The points of all steps, the finest first; steps that no finished run was coded at are left out."""
    rows = finished(frame)
    found = []
    for step in LOSSY_STEPS:
        bits, psnr = values(rows, f"test/lossy_bits_step_{step}"), values(rows, f"test/lossy_psnr_step_{step}")
        known = bits.notna() & psnr.notna()
        if known.any():
            found.append(CodedPoints(step, bits[known], psnr[known]))
    return found


def front(frame: pd.DataFrame) -> RateDistortionCurve:
    """What the best of all runs and steps reach: no other point has less bits and as much PSNR."""
    points = coded_points(frame)
    return RateDistortionCurve.of((bits, psnr) for one in points for bits, psnr in zip(one.bits, one.psnr, strict=True))


def file_curves(frame: pd.DataFrame) -> dict[str, RateDistortionCurve]:
    """Curves of JPEG and WebP by what people call them, of the images that these runs were coded on.

    Runs of one setting are coded on the same images: the median is any run's.
    """
    rows = finished(frame)
    curves = {}
    for name, label in _FORMATS.items():
        pairs = [
            (values(rows, f"test/{name}_bits_quality_{quality}"), values(rows, f"test/{name}_psnr_quality_{quality}"))
            for quality in FILE_QUALITIES
        ]
        known = [(bits.median(), psnr.median()) for bits, psnr in pairs if bits.notna().any() and psnr.notna().any()]
        if known:
            curves[label] = RateDistortionCurve.of(known)
    return curves


def png_bits(frame: pd.DataFrame) -> float | None:
    """Bits per image of PNG; None where no run says."""
    known = values(finished(frame), "test/png_bits").dropna()
    return float(known.median()) if len(known) else None


def same_images(frame: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether runs of two settings were coded on the same images, which as PNG take the same bits.

    The data alone do not say it: a Bernoulli likelihood rounds grey images first.
    """
    mine, theirs = png_bits(frame), png_bits(other)
    return mine is not None and theirs is not None and bool(np.isclose(mine, theirs, rtol=1e-6))
