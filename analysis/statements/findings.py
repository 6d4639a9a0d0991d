"""All statements, asked of the runs of each setting."""

__all__ = ["findings", "findings_of", "lines"]

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

import pandas as pd

from analysis.frame import finished
from analysis.recommendation.recommender import APPLICATIONS, Recommendation, recommend
from analysis.settings import settings
from analysis.statements.accuracy import accuracy
from analysis.statements.best_regions import best_regions
from analysis.statements.finding import Finding
from analysis.statements.free_betas import free_betas
from analysis.statements.information import information
from analysis.statements.own_beta import own_beta
from analysis.statements.reconstruction import reconstruction
from analysis.statements.sampling import sampling
from hit.errors import StoreError


def findings(frame: pd.DataFrame) -> list[Finding]:
    """What the runs say about each statement of the paper: it holds, it does not, or they cannot tell.

    A statement is asked of the runs of one setting (data set, architecture, protocol), of each that has finished runs.
    Intervals hold 90 %, by the bootstrap over β and, where runs are of several seeds, over seeds.

    Args:
        frame: one row a model, as `analysis.runs` gives it.

    Returns:
        Seven a setting, each with its statistics, the runs behind it, and the command that makes those that are
        missing.

    >>> import analysis
    >>> for found in analysis.findings(analysis.runs("hit")):  # doctest: +SKIP
    ...     print(found.statement, found.outcome, *found.statistics)
    """
    parts = [part for part in settings(frame) if len(finished(part.frame))]
    return [replace(found, setting=part.title) for part in parts for found in findings_of(part.frame)]


def findings_of(frame: pd.DataFrame, recommended: Sequence[Recommendation] | None = None) -> list[Finding]:
    """The same of the runs of one setting.

    Args:
        frame: the runs.
        recommended: what is recommended for them; by default for every application.
    """
    known = list(_recommended(frame) if recommended is None else recommended)
    return [
        own_beta(frame),
        reconstruction(frame),
        accuracy(frame),
        information(frame),
        sampling(frame),
        best_regions(frame, known),
        free_betas(frame, known),
    ]


def lines(found: Sequence[Finding]) -> Iterator[str]:
    """What a terminal shows of findings."""
    setting = None
    for one in found:
        if one.setting != setting:
            setting = one.setting
            yield setting
        runs = f" ({len(one.run_ids)} run{'' if len(one.run_ids) == 1 else 's'})" if one.run_ids else ""
        yield f"- {one.outcome}: {one.statement}{runs}"
        yield from (f"    {statistic}" for statistic in one.statistics)
        yield f"    {one.reason}"
        if one.witnesses:
            yield f"    see {', '.join(one.witnesses)}"
        if one.command:
            yield f"    the runs that would tell: {one.command}"


def _recommended(frame: pd.DataFrame) -> Iterator[Recommendation]:
    for declared in APPLICATIONS:
        with suppress(StoreError):
            yield recommend(frame, declared.name)
