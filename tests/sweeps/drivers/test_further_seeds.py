"""Further seeds of the models that answers rest on: when, of which, and how many."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from hit.config.rates.beta_grid import BetaGrid
from hit.errors import StoreError
from sweeps.drivers.build import build_driver
from sweeps.drivers.driver import Driver, with_pending
from sweeps.drivers.further_seeds import FurtherSeeds
from sweeps.spec.definition import definition_hash
from sweeps.spec.driver_options import Choice, ChoosingOptions
from tests.replay import ACCURACY, BASE, DIGEST, Laboratory, Surface

SURFACE = Surface.analytic(21)
GRID = BetaGrid.parse({1: "0.1:10:4", 2: "0.1:10:4"}, 2, (1.0, 1.0))
REGION = "rate_1=5:45,rate_2=1:18,rate=:50"


class SeededLaboratory(Laboratory):
    """Metrics differ between seeds by `noise` (PSNR, dB)."""

    noise = 0.3

    def finish(self, row: dict, config: object) -> None:  # type: ignore[type-arg,override]
        super().finish(row, config)  # type: ignore[arg-type]
        luck = np.random.default_rng([config.seed, int(1e6 * float(row["beta_1"]))]).standard_normal()  # type: ignore[attr-defined]
        row["test/psnr"] += self.noise * luck


def driver(name: str = "grid", grid: BetaGrid = GRID, seeds: tuple[int, ...] = (0,), **options: object) -> Driver:
    return build_driver(Choice.check(name, ChoosingOptions(**options), BASE, grid, seeds), DIGEST)  # type: ignore[arg-type]


def further(history: pd.DataFrame) -> pd.DataFrame:
    return history[history["seed"] > 0]


class TestGrid:
    def test_after_the_grid_a_quarter_of_its_models_at_most(self) -> None:
        lab = SeededLaboratory(SURFACE)
        asked = driver()
        assert asked.further(lab.history) == 4, "which the time that is left counts"
        assert lab.run(asked, 100, at_once=2) == 20
        history = lab.history
        assert asked.further(history) == 0
        assert (history["seed"][:16] == 0).all(), "the grid comes first"
        assert len(further(history)) == 4
        assert asked.finished(history) == asked.wanted == 16, "they are no cells of the grid"
        assert len(asked.mine(history)) == 20, "but the report shows them"
        assert asked.situation(history) == "4 further seeds"

    def test_they_are_distinct_runs_of_the_group(self) -> None:
        lab = SeededLaboratory(SURFACE)
        lab.run(driver(), 100, at_once=4)
        history = lab.history
        assert history["config_hash"].is_unique
        assert set(further(history)["group"]) <= set(history["group"][:16])
        differing = [name for name in BASE.to_flat() if history.groupby("group")[name].nunique().max() > 1]
        assert differing == ["seed"]

    def test_the_best_and_the_best_with_equal_beta_get_them(self) -> None:
        lab = SeededLaboratory(SURFACE)
        lab.run(driver(further_seeds=0), 100)
        history = lab.history
        proposals = driver(application="representation").propose(history, 10)
        best = history.loc[history[ACCURACY].idxmax()]
        equal = history[history["beta_1"] == history["beta_2"]]
        equal_best = equal.loc[equal[ACCURACY].idxmax()]
        wanted = [(best["beta_1"], best["beta_2"]), (equal_best["beta_1"], equal_best["beta_2"])]
        assert [one.config.betas for one in proposals] == (wanted * 2 if wanted[0] != wanted[1] else wanted[:1] * 2)
        assert "the best for representation" in proposals[0].reason
        assert "nobody knows what a seed changes" in proposals[0].reason

    def test_not_while_a_cell_is_running(self) -> None:
        lab = SeededLaboratory(SURFACE)
        lab.run(driver(further_seeds=0), 15)
        (last,) = driver(further_seeds=0).propose(lab.history, 1)
        lab.begin(last)
        assert driver().propose(lab.history, 2) == []

    def test_those_on_their_way_count(self) -> None:
        lab = SeededLaboratory(SURFACE)
        lab.run(driver(further_seeds=0), 16)
        asked = driver()
        together = asked.propose(lab.history, 4)
        (first,) = asked.propose(lab.history, 1)
        rest = asked.propose(with_pending(lab.history, [first], DIGEST), 4)
        assert [first, *rest] == together
        assert asked.propose(with_pending(lab.history, together, DIGEST), 4) == []
        assert asked.running(with_pending(lab.history, together, DIGEST)) == 4

    @pytest.mark.parametrize("options", [{"further_seeds": 0}, {"further_seeds": 0.1}])
    def test_it_can_be_switched_off_and_one_alone_tells_no_gain(self, options: dict[str, object]) -> None:
        lab = SeededLaboratory(SURFACE)
        assert lab.run(driver(**options), 100) == 16

    def test_seeds_that_are_asked_for_are_all(self) -> None:
        lab = SeededLaboratory(SURFACE)
        assert lab.run(driver(seeds=(0, 1)), 100) == 32

    def test_a_large_grid_gets_three_seeds_of_each_leader(self) -> None:
        lab = SeededLaboratory(SURFACE)
        spent = lab.run(driver(grid=SURFACE.grid, application="reconstruction"), 600, at_once=7)
        assert spent <= 441 + 14
        assert Counter(further(lab.history)["group"]).most_common(1)[0][1] == 2

    def test_a_sweep_is_the_same_sweep_with_and_without(self) -> None:
        choices = [
            Choice.check("grid", ChoosingOptions(further_seeds=share), BASE, GRID, (0,)) for share in (0.0, 0.25)
        ]
        assert len({definition_hash(one, "", DIGEST) for one in choices}) == 1, "they are a matter of what it may spend"

    def test_an_application_that_there_is_not(self) -> None:
        with pytest.raises(StoreError, match="unknown application 'reconstructoin'; did you mean 'reconstruction'"):
            driver(application="reconstructoin")


class TestCoverage:
    @pytest.mark.parametrize("over", ["rates", "betas"])
    def test_after_the_region_is_full(self, over: str) -> None:
        lab = SeededLaboratory(SURFACE)
        grid = BetaGrid(((1.0,), (1.0,))) if over == "rates" else SURFACE.grid
        asked = driver("coverage", grid, region=REGION, over=over)
        assert isinstance(asked, FurtherSeeds)
        lab.run(asked, 100)
        history = lab.history
        seeds = further(history)
        assert len(seeds) >= 2
        assert seeds.index.min() > history.index[history["seed"] == 0].max()
        assert seeds["group"].isin(history.loc[history["seed"] == 0, "group"]).all()
        assert "cells of the region hold a run" in asked.done(history)

    def test_that_a_target_was_missed_is_no_reason(self) -> None:
        lab = SeededLaboratory(SURFACE)
        asked = driver("coverage", BetaGrid(((1.0,), (1.0,))), region="rate_1=40:70,rate_2=15:40", hole=0.25)
        while not asked._inner.done(lab.history):  # type: ignore[attr-defined]
            (one,) = asked.propose(lab.history, 1)
            assert one.config.seed == 0
            lab.finish(lab.begin(one), one.config)
        assert lab.history["infeasible"].notna().any()
        assert 1 in {one.config.seed for one in asked.propose(lab.history, 9)} <= {1, 2}


class TestBayes:
    @staticmethod
    def runs(psnr: list[float], seeds: list[int] | None = None) -> pd.DataFrame:
        """Models at different β that ended in this order."""
        lab = Laboratory(SURFACE)
        chosen = driver("bayes", SURFACE.grid, objectives="test/psnr", sampler="qmc", further_seeds=0)
        configs = [one.config for one in chosen.propose(lab.history, len(psnr))]
        for place, value in enumerate(psnr):
            seed = seeds[place] if seeds else 0
            config = replace(configs[0 if seed else place], seed=seed)
            row = lab.begin(type(chosen.propose(lab.history, 1)[0])(config, config.identity(DIGEST), ""))
            lab.finish(row, config)
            row["test/psnr"] = value
        return lab.history

    asked = staticmethod(
        lambda **options: driver("bayes", SURFACE.grid, objectives="test/psnr", sampler="tpe", **options)
    )

    def test_while_models_improve_place_decides(self) -> None:
        rising = self.runs([10.0 + place for place in range(16)])
        assert {one.config.seed for one in self.asked().propose(rising, 4)} == {0}

    def test_when_they_do_not_another_seed_of_the_best(self) -> None:
        settled = self.runs([20.0, *[10.0 + place / 10 for place in range(15)]])
        (first, *others) = self.asked().propose(settled, 4)
        best = settled.loc[settled["test/psnr"].idxmax()]
        assert first.config.group(DIGEST) == best["group"]
        assert first.config.seed == 1
        assert "improved it by no more than a seed changes" in first.reason
        assert {one.config.seed for one in others} >= {0}, "the search goes on"
        assert {one.config.seed for one in self.asked(further_seeds=0).propose(settled, 4)} == {0}

    def test_the_spread_of_seeds_is_the_measure(self) -> None:
        improved = [20.0, *[10.0] * 9, *[10.0] * 4, 20.2]
        apart = self.runs([*improved, 19.0], [0] * 15 + [1])
        alike = self.runs([*improved, 19.99], [0] * 15 + [1])
        assert self.asked().propose(apart, 1)[0].config.seed > 0, "0.2 dB are less than a seed changes"
        assert self.asked().propose(alike, 1)[0].config.seed == 0

    def test_a_search_counts_no_seeds_beforehand(self) -> None:
        assert self.asked().further(self.runs([20.0])) == 0

    def test_not_before_ten_models(self) -> None:
        few = self.runs([20.0, *[10.0] * 8])
        assert {one.config.seed for one in self.asked().propose(few, 4)} == {0}

    def test_what_keeps_no_constraint_does_not_lead(self) -> None:
        settled = self.runs([20.0, *[10.0 + place / 10 for place in range(15)]])
        proposals = self.asked(constraints="test/psnr>=99").propose(settled, 3)
        assert {one.config.seed for one in proposals} == {0}
