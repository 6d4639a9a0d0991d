"""Drivers on 441 models that were really trained: what the grid finds out, with a fraction of its runs."""

import numpy as np
import pandas as pd
import pytest

from hit.config.rates.rate_region import RateRegion
from tests.benchmarks.record_surface import TABLE
from tests.benchmarks.replay_drivers import bayes, coverage
from tests.replay import Surface


@pytest.fixture(scope="module")
def surface() -> Surface:
    return Surface.load(TABLE)


def test_the_table_holds_every_cell_and_what_it_says_can_be(surface: Surface) -> None:
    assert [len(axis) for axis in surface.axes] == [21, 21]
    rows = pd.read_csv(TABLE)
    assert rows.notna().all(axis=None)
    assert (rows[["rate_1", "rate_2"]] >= 0).all(axis=None)
    assert rows["accuracy"].between(0, 1).all()
    # The dearer a rate, the less of it: on the whole, as single trainings have their luck.
    for layer, axis in ((1, 0), (2, 1)):
        means = surface.metrics[f"test/rate_{layer}"].mean(1 - axis)
        assert np.corrcoef(np.argsort(np.argsort(-means)), np.arange(21))[0, 1] > 0.9


def test_coverage_needs_a_quarter_of_the_runs_of_the_grid(surface: Surface) -> None:
    region = RateRegion.parse("rate_1=5:45,rate_2=1:18,rate=:50", 2)
    needed = coverage(surface, region, hole=0.2, regional=False)
    assert needed["coverage over betas"] <= needed["grid"] / 4
    assert needed["coverage over betas"] <= needed["random, median"] / 4


def test_a_gaussian_process_finds_the_front_of_the_grid_in_60_runs(surface: Surface) -> None:
    assert bayes(surface, "gp", seeds=1, budget=60)[0] <= 60
