"""Measured bits of every layer without loss beside its rate, as a table."""

__all__ = ["LosslessTable", "lossless_table"]

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from analysis.figures import style
from analysis.frame import data_form, finished, layers, values
from hit import schema


@dataclass(frozen=True)
class LosslessTable:
    """Means over the runs that were coded without loss.

    Attributes:
        runs: how many they are.
        unit: of the numbers.
        rows: z_L … z_1, x given z_1 and all: its name, bits that were counted, what the rate (or D, or −ELBO) says in
            bits, and by how much the bits of a run differ from its densities at the same draws, the least and the most.
        initial: bits that come back to nobody.
    """

    runs: int
    unit: str
    rows: list[tuple[Markup, str, str, str]]
    initial: str


def lossless_table(frame: pd.DataFrame) -> LosslessTable | None:
    """None where no finished run was coded without loss.

    Args:
        frame: the runs of one setting.
    """
    done = finished(frame)
    coded = done[values(done, "test/bits").notna()]
    if coded.empty:
        return None
    return LosslessTable(
        runs=len(coded),
        unit=schema.metric("test/bits").of(data_form(frame)).unit,
        rows=list(_rows(coded, layers(frame))),
        initial=_mean(values(coded, "test/initial_bits")),
    )


def _rows(coded: pd.DataFrame, count: int) -> Iterator[tuple[Markup, str, str, str]]:
    parts = [(f"z_{at}", f"bits_z{at}", f"rate_{at}", f"coding_overhead_z{at}") for at in range(count, 0, -1)]
    parts += [("x given z_1", "bits_x", "distortion", ""), ("all", "bits", "elbo", "coding_overhead")]
    for label, bits, nats, overhead in parts:
        promised = values(coded, f"test/{nats}") * (-1 if nats == "elbo" else 1) / math.log(2)
        share = values(coded, f"test/{overhead}").dropna() if overhead else pd.Series(dtype=float)
        name = Markup(style.markup(label))  # noqa: S704 - our own text
        yield name, _mean(values(coded, f"test/{bits}")), _mean(promised), _ends(share)


def _mean(numbers: pd.Series) -> str:
    known = numbers.dropna()
    return style.number(float(known.mean())) if len(known) else "not known"


def _ends(shares: pd.Series) -> str:
    """Per cent from the least to the most, each told once; '' of a part that is too small to tell, or has none."""
    told = [f"{100 * share:+.2f} %".replace("-", "−") for share in (shares.min(), shares.max())] if len(shares) else []
    return " to ".join(dict.fromkeys(told))
