"""What the runs' lossy codes take beside image files and other settings: Bjøntegaard deltas, as a table."""

__all__ = ["CodingTable", "coding_table"]

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.frame import finished, values
from analysis.rate_distortion import file_curves, front, png_bits, same_images
from analysis.settings import Setting
from hit.coding.bjontegaard import RateDistortionCurve, bd_psnr, bd_rate


@dataclass(frozen=True)
class CodingTable:
    """A row for everything that the front of this setting's codes compares with.

    Attributes:
        rows: its name, the bits that this setting takes more or less at equal PSNR, and the PSNR at equal bits.
        excess: a sentence on bits above R at the PSNR of posterior means; '' where no run reaches that.
        images: how many images were coded.
        png: bits of PNG per image, as text; '' where no run says.
    """

    rows: list[tuple[str, str, str]]
    excess: str
    images: int
    png: str


def coding_table(setting: Setting, others: Sequence[Setting]) -> CodingTable | None:
    """None where no finished run was coded.

    Args:
        setting: whose codes are compared.
        others: further settings; those that were coded on other images are left out.
    """
    frame = setting.frame
    own = front(frame)
    if not len(own.bits):
        return None
    anchors: dict[str, RateDistortionCurve] = dict(file_curves(frame))
    for other in others:
        if other is not setting and same_images(frame, other.frame):
            anchors[other.title] = front(other.frame)
    counted = values(finished(frame), "test/lossy_images").dropna()
    lossless = png_bits(frame)
    return CodingTable(
        rows=[(name, _share(bd_rate(curve, own)), _decibels(bd_psnr(curve, own))) for name, curve in anchors.items()],
        excess=_excess(setting),
        images=int(counted.median()) if len(counted) else 0,
        png="" if lossless is None else f"{lossless:.0f}",
    )


def _excess(setting: Setting) -> str:
    rows = finished(setting.frame)
    known = values(rows, "test/lossy_excess_bits").dropna()
    if known.empty:
        return ""
    least, median, most = (_bits(number) for number in (known.min(), known.median(), known.max()))
    if len(known) == 1:
        return f"At the PSNR of its posterior means the one run that reaches it takes R and {median} bits."
    return (
        f"At the PSNR of their posterior means the codes of {len(known)} runs take R and {median} bits in the median "
        f"(from {least} to {most})."
    )


def _bits(number: float) -> str:
    return f"{number:+.0f}".replace("-", "−")


def _share(delta: float | None) -> str:
    return "no PSNR in common" if delta is None else f"{100 * delta:+.0f} %".replace("-", "−")


def _decibels(delta: float | None) -> str:
    return "no bits in common" if delta is None else f"{delta:+.1f} dB".replace("-", "−")
