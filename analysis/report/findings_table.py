"""What the runs say about the paper's statements, as records of inert markup."""

__all__ = ["FindingRow", "findings_table"]

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from analysis.figures import style
from analysis.recommendation.recommender import Recommendation
from analysis.report.tables import run_link
from analysis.statements.finding import Outcome
from analysis.statements.findings import findings_of

_SHADES = {Outcome.HOLDS: "good", Outcome.DOES_NOT_HOLD: "bad", Outcome.CANNOT_BE_TOLD: "open"}
#: Links in a cell.
_MOST_LINKS = 6


@dataclass(frozen=True)
class FindingRow:
    """One statement.

    Attributes:
        name, statement, verdict, reason: as of the finding.
        shade: how the verdict is coloured.
        statistics: with their intervals.
        runs: how many it rests on.
        witnesses: links to the runs that show it most.
        command: makes the runs that would tell; "" where these do.
    """

    name: Markup
    statement: Markup
    verdict: str
    shade: str
    statistics: list[Markup]
    reason: Markup
    runs: int
    witnesses: list[Markup]
    command: str


def findings_table(frame: pd.DataFrame, found: Sequence[Recommendation], base_url: str) -> list[FindingRow]:
    """A row a statement.

    Args:
        frame: runs of one setting.
        found: what the page recommends for them.
        base_url: of the MLflow UI, checked.
    """
    place = {str(run_id): at for at, run_id in enumerate(frame["run_id"])}
    return [
        FindingRow(
            name=_markup(one.name),
            statement=_markup(one.statement),
            verdict=str(one.outcome),
            shade=_SHADES[one.outcome],
            statistics=[_markup(str(statistic)) for statistic in one.statistics],
            reason=_markup(one.reason),
            runs=len(one.run_ids),
            witnesses=[run_link(frame.iloc[place[run_id]], base_url) for run_id in one.witnesses[:_MOST_LINKS]],
            command=one.command,
        )
        for one in findings_of(frame, found)
    ]


def _markup(text: str) -> Markup:
    return Markup(style.markup(text))  # noqa: S704 - made inert there
