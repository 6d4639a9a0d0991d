"""Whether the bounds were kept stands in the page, with the runs that broke one."""

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis.report import build
from hit.metrics.bounds import accuracy_bound
from hit.schema import PROBES
from tests.report_page import Page

MakeFrame = Callable[..., pd.DataFrame]


def test_the_bound_is_said_to_hold(grid: pd.DataFrame, parsed: Page) -> None:
    text = parsed.text
    assert "Yes. All 200 accuracies on samples, of 25 runs, keep the bound" in text
    above = sum(
        (grid[f"test/accuracy_{probe}_z{layer}"] > grid[f"test/accuracy_bound_rate_z{layer}"]).sum()
        for probe in ("logistic", "svm_rbf", "svm_linear", "knn")
        for layer in (1, 2)
    )
    assert above > 0
    assert f"{above} of 200 accuracies on posterior means lie above the bound, and may" in text


@pytest.mark.usefixtures("bare")
def test_a_violated_bound_is_flagged_with_its_run(grid: pd.DataFrame) -> None:
    grid.loc[24, "test/rate_2"] = 0.05
    grid.loc[24, "test/accuracy_bound_rate_z2"] = accuracy_bound(0.05, np.log(10), 10)
    grid.loc[24, "test/accuracy_knn_z2_sampled"] = 0.77
    within = Page(
        build(grid, applications=["density"])
    ).text  # the verdict of the evaluation, which knows the size of the test set
    assert re.search(r"Yes\. All 200 .* keep the bound that the rate sets, 4 of them within the chance", within)
    grid.loc[24, "test/bound_holds_z2"] = 0.0
    text = Page(build(grid, applications=["density"])).text
    assert "No. 1 of 25 runs" in text
    assert f"{grid.loc[24, 'run_name']}: " in text
    assert "0.77 above 0." in text


@pytest.mark.usefixtures("bare")
def test_any_violated_bound_is_listed(grid: pd.DataFrame) -> None:
    broken = {
        "mi_z2": (-0.31, "min(rate bound, H(y)) minus I(y; z2) = −0.31 nats"),
        "accuracy_mi_z1": (-0.2, "bound from I(y; z1) minus best sampled accuracy = −0.2"),
        "reconstruction": (-7.5, "−ELBO minus H of the test images = −7.5 nats per image"),
        "inception_score": (-1.25, "bound minus inception score = −1.25"),
    }
    for check in broken:
        grid[f"test/bound_slack_{check}"], grid[f"test/bound_holds_{check}"] = 0.5, 1.0
    assert (
        "and 100 other quantities (information, −ELBO, scores of samples) keep theirs"
        in Page(build(grid, applications=["density"])).text
    )
    for run, (check, (slack, _)) in enumerate(broken.items(), start=7):
        grid.loc[run, [f"test/bound_slack_{check}", f"test/bound_holds_{check}"]] = [slack, 0.0]
    text = Page(build(grid, applications=["density"])).text
    assert "No. 4 of 25 runs exceed a bound" in text
    for run, (_, told) in enumerate(broken.values(), start=7):
        assert f"{grid.loc[run, 'run_name']}: {told}" in text


@pytest.mark.usefixtures("bare")
def test_accuracies_on_means_above_the_bound_are_listed_apart(grid: pd.DataFrame) -> None:
    probes = [f"test/accuracy_{probe}_z{layer}" for probe in PROBES for layer in (1, 2)]
    grid[probes] = 0.1
    grid.loc[3, "test/accuracy_bound_rate_z2"] = 0.4
    grid.loc[3, [f"test/accuracy_{probe}_z2_sampled" for probe in PROBES]] = 0.3
    grid.loc[3, "test/accuracy_knn_z2"] = 0.61
    text = Page(build(grid, applications=["density"])).text
    assert "Yes. All 200 accuracies" in text
    assert "Not covered by the bound: 1 of 200 accuracies on posterior means" in text
    listed = text[text.index("1 run with accuracies on means above the bound") :]
    assert f"{grid.loc[3, 'run_name']}: accuracy of z2, 5-nearest neighbours on means: 0.61 above 0.4" in listed
