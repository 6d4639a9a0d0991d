"""The paper's findings stand in the page, each with its verdict, its runs and what would tell."""

from collections.abc import Callable

import pandas as pd
import pytest

from analysis.report import build
from analysis.report.findings_table import findings_table
from tests.report_page import Page

MakeFrame = Callable[..., pd.DataFrame]


def test_findings_stand_in_the_page_with_links_to_their_runs(parsed: Page) -> None:
    text = parsed.text
    assert "Do the paper’s findings hold here?" in text
    assert "reconstruction and RReconstructions follow the total rate R, whichever layer holds it. holds" in text
    assert "Of 25 runs, see β 0.1 0.1 seed 0, β 10 10 seed 0." in text
    assert "No finished run has its samples scored. The runs that would tell: python -m hit.classify" in text


@pytest.mark.usefixtures("bare")
def test_few_runs_have_no_table(make_frame: MakeFrame) -> None:
    assert "Do the paper’s findings hold" not in Page(build(make_frame(1))).text


def test_names_of_runs_are_inert_and_unlinked_without_a_page_to_link_to(grid: pd.DataFrame) -> None:
    hostile = grid.assign(run_name="<script>alert(1)</script>")
    rows = findings_table(hostile, (), "javascript:alert(1)")
    links = [link for row in rows for link in row.witnesses]
    assert links
    assert all("<script" not in link and "href" not in link for link in links)
