"""Regions are filled evenly, in few runs, and what cannot be reached does not keep a driver going."""

import numpy as np
import pytest

from hit.config.rates.beta_grid import BetaGrid
from hit.config.rates.rate_region import RateRegion
from hit.errors import ConfigError
from sweeps.drivers.coverage_by_betas import BetaCoverage
from sweeps.drivers.coverage_by_targets import TargetCoverage
from sweeps.drivers.driver import Driver
from sweeps.drivers.grid import GridDriver
from sweeps.drivers.region_cells import RegionCells
from sweeps.drivers.run_rates import betas_and_rates, finished_rates
from sweeps.rate_models.from_surface import SurfaceRates, SurfaceSurrogate
from sweeps.rate_models.gaussian_process import RateSurrogate
from tests.replay import BASE, DIGEST, Laboratory, Surface

SURFACE = Surface.analytic(21)
REGION = RateRegion.parse("rate_1=5:45,rate_2=1:18,rate=:50", 2)


class TestCells:
    cells = RegionCells.cut(RateRegion.parse("rate_1=:10,rate_2=10:30", 2), 0.2)

    def test_a_box_is_cut_evenly(self) -> None:
        assert len(self.cells) == 25
        assert self.cells.of(np.array([[0, 10], [1.9, 13.9], [10, 30], [11, 20], [np.nan, 20]])).tolist() == [
            0,
            0,
            24,
            -1,
            -1,
        ]
        np.testing.assert_allclose(self.cells.aims[0], [1, 12])
        assert self.cells.of(self.cells.aims).tolist() == list(range(25))

    def test_a_bound_on_the_total_rate_cuts_cells_off(self) -> None:
        cut = RegionCells.cut(RateRegion.parse("rate=:10", 2), 0.2)
        assert len(cut) == 15, "the cells on the diagonal are halves, those above it are gone"
        assert cut.region.contains(cut.aims).all()
        assert cut.of(cut.aims).tolist() == list(range(15))

    def test_a_full_region_has_no_hole_larger_than_asked(self) -> None:
        chance = np.random.default_rng(0)
        sides = np.array([2.0, 4.0])
        landed = self.cells.aims + chance.uniform(-0.5, 0.5, self.cells.aims.shape) * sides
        assert self.cells.holding(landed).all()
        drawn = chance.random((2000, 2))  # in units of the region, which is a box
        distances = np.abs(drawn[:, None] - self.cells.region.scaled(landed)[None]).max(-1).min(1)
        assert distances.max() <= 0.2

    def test_gaps_are_distances_in_units_of_the_region(self) -> None:
        gaps = self.cells.gaps(np.array([[1.0, 12.0], [np.nan, 1.0]]))
        assert gaps[0] == pytest.approx(0)
        assert gaps[24] == pytest.approx(0.8)
        assert (self.cells.gaps(np.empty((0, 2))) == 1).all()

    def test_too_many_cells_are_one_line(self) -> None:
        with pytest.raises(ConfigError, match=r"hole must be at least 0.01 for 2 layers, .* got 0.001"):
            RegionCells.cut(REGION, 0.001)


def test_over_rates_a_run_a_cell() -> None:
    lab = Laboratory(SURFACE)
    driver = TargetCoverage(BASE, REGION, 0.2, DIGEST)
    spent = lab.run(driver, 60, at_once=3)
    cells = RegionCells.cut(REGION, 0.2)
    assert cells.holding(finished_rates(lab.history, 2)).all()
    assert spent <= len(cells) + 5
    assert driver.done(lab.history).startswith(f"{len(cells)} of {len(cells)} cells")


def test_over_betas_in_far_fewer_runs_than_the_grid() -> None:
    cells = RegionCells.cut(REGION, 0.2)
    reached = set(cells.of(SURFACE.rates).tolist()) - {-1}

    def runs(driver: Driver) -> int:
        def covered(history: object) -> bool:
            return len(set(cells.of(finished_rates(history, 2)).tolist()) & reached) >= 0.9 * len(reached)  # type: ignore[arg-type]

        return Laboratory(SURFACE).run(driver, 441, until=covered)

    assert 4 * runs(BetaCoverage(BASE, SURFACE.grid, REGION, 0.2, DIGEST)) <= runs(
        GridDriver(BASE, SURFACE.grid, (0,), DIGEST)
    )


class TestWithASurface:
    """Its rates are those of the analytic surface without noise, or somewhat off."""

    @staticmethod
    def driver(wrong: float = 1.0, asked: list[int] | None = None) -> BetaCoverage:
        clean = Surface.analytic(21, noise=0.0)

        def ask(betas: np.ndarray) -> np.ndarray:
            if asked is not None:
                asked.append(len(betas))
            return wrong * np.array([[clean.at(row)[f"test/rate_{layer}"] for layer in (1, 2)] for row in betas])

        return BetaCoverage(BASE, SURFACE.grid, REGION, 0.2, DIGEST, SurfaceRates("abc", ask, SURFACE.grid))

    def test_it_is_asked_once_and_from_the_first_decision_on(self) -> None:
        asked: list[int] = []
        driver, lab = self.driver(asked=asked), Laboratory(SURFACE)
        lab.run(driver, 8)
        assert asked == [81]
        (first,) = self.driver().propose(lab.history.iloc[:0], 1)
        assert first.reason.startswith("lands in one of")
        assert first.reason.endswith(", by surface abc")
        held = RegionCells.cut(REGION, 0.2).holding(finished_rates(lab.history, 2)).sum()
        assert held >= 6, "nearly a run a cell, with no design to begin with"

    def test_runs_correct_it(self) -> None:
        betas = np.array([[0.3, 0.4], [1.0, 0.5], [2.0, 1.5]])
        expected = np.array([[SURFACE.at(row)[f"test/rate_{layer}"] for layer in (1, 2)] for row in betas])
        lab = Laboratory(SURFACE)
        lab.run(GridDriver(BASE, SURFACE.grid, (0,), DIGEST), 12)
        rows = lab.history
        surface = self.driver(wrong=1.5)._surface
        assert surface is not None
        few = SurfaceSurrogate.fit(surface, *(part[:2] for part in betas_and_rates(rows, 2)))
        np.testing.assert_allclose(few.rates(betas), 1.5 * expected, rtol=0.1)
        told = SurfaceSurrogate.fit(surface, *betas_and_rates(rows, 2))
        np.testing.assert_allclose(told.rates(betas), expected, rtol=0.2)

    def test_a_layer_whose_beta_is_fixed(self) -> None:
        asked: list[np.ndarray] = []
        fixed = BetaGrid(((0.5,), (0.1, 1.0, 10.0)))
        rates = SurfaceRates("abc", lambda betas: asked.append(betas) or 1 / betas, fixed)
        betas = np.array([[0.5, 0.2], [0.5, 3.0]])
        np.testing.assert_allclose(np.exp(rates.log_rates(betas)), 1 / betas + 0.1, rtol=0.01)
        assert asked[0].shape == (25, 2)
        alone = SurfaceRates("abc", lambda betas: 1 / betas, BetaGrid(((0.5,), (2.0,))))
        np.testing.assert_allclose(np.exp(alone.log_rates(betas)), [[2.1, 0.6], [2.1, 0.6]])

    def test_without_one_a_process_over_the_runs_is_told(self) -> None:
        lab = Laboratory(SURFACE)
        driver = BetaCoverage(BASE, SURFACE.grid, REGION, 0.2, DIGEST)
        lab.run(driver, 8)
        (then,) = driver.propose(lab.history, 1)
        assert then.reason.endswith(", by a Gaussian process over 8 runs")


def test_deciding_whether_to_go_on_proposes_no_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Laboratory(SURFACE)
    driver = BetaCoverage(BASE, SURFACE.grid, REGION, 0.2, DIGEST)
    lab.run(driver, 10)
    fits: list[int] = []
    fit = RateSurrogate.fit
    monkeypatch.setattr(RateSurrogate, "fit", lambda *data: fits.append(1) or fit(*data))
    history = lab.history
    assert driver.done(history) == ""
    assert len(driver.propose(history, 2)) == 2
    assert len(fits) == 1


@pytest.mark.parametrize("over", ["rates", "betas"])
def test_what_is_out_of_reach_is_left_empty(over: str) -> None:
    beyond = RateRegion.parse("rate_1=40:70,rate_2=15:40", 2)  # only its lower corner can be had
    lab = Laboratory(SURFACE)
    driver: Driver = TargetCoverage(BASE, beyond, 0.25, DIGEST)
    if over == "betas":
        driver = BetaCoverage(BASE, SURFACE.grid, beyond, 0.25, DIGEST)
    spent = lab.run(driver, 200)
    assert spent <= 48, "no cell of sixteen is tried more than three times"
    assert "are out of reach" in driver.done(lab.history)
    assert driver.propose(lab.history, 5) == []


class TestMisses:
    """Runs that end far from what they were asked for."""

    region = RateRegion.parse("rate_1=5:45,rate_2=1:18", 2)
    cells = RegionCells.cut(region, 0.2)

    def ran(self, ratios: dict[int, tuple[float, float]], rounds: int = 12, at_once: int = 1) -> Laboratory:
        """A sweep whose n-th run ends with these shares of its targets, all others with their targets."""
        lab = Laboratory(SURFACE)
        for _ in range(rounds):
            for proposal in TargetCoverage(BASE, self.region, 0.2, DIGEST).propose(lab.history, at_once):
                asked = np.array(list(proposal.config.targets.to_flat().values()))
                assert self.region.contains(asked), "targets lie in the region"
                row = lab.begin(proposal)
                lab.finish(row, proposal.config)
                one, two = asked * ratios.get(len(lab.rows) - 1, (1.0, 1.0))
                row |= {"test/rate_1": one, "test/rate_2": two, "test/rate": one + two, "infeasible": None}
        return lab

    @pytest.mark.parametrize("share", [0.1, 0.6, 0.78, 0.85])
    def test_targets_stay_in_the_region_after_misses(self, share: float) -> None:
        lab = self.ran(dict.fromkeys(range(60), (share, share)), rounds=60)
        asked = lab.history[["target_rate_1", "target_rate_2"]].to_numpy(float)
        assert self.region.contains(asked).all()
        assert (self.cells.of(asked) >= 0).all(), "each is known to be meant for a cell"
        assert TargetCoverage(BASE, self.region, 0.2, DIGEST).propose(lab.history, 1) == []

    def test_a_target_that_was_missed_by_far_is_not_tried_again(self) -> None:
        lab = self.ran({0: (0.1, 1.0), 1: (1.0, 1.8)}, rounds=40)
        cells = self.cells.of(lab.history[["target_rate_1", "target_rate_2"]].to_numpy(float)).tolist()
        assert cells.count(cells[0]) == cells.count(cells[1]) == 1
        assert len(lab.rows) == 25

    def test_nor_one_like_it(self) -> None:
        lab = self.ran(dict.fromkeys(range(80), (0.7, 0.7)), rounds=80)
        asked = lab.history[["target_rate_1", "target_rate_2"]].to_numpy(float)
        apart = np.abs(asked[:, None] / asked[None] - 1).max(-1) + np.eye(len(asked))
        assert apart.min() > 0.02

    def test_what_was_missed_by_far_corrects_no_other_target(self) -> None:
        lab = self.ran({0: (0.1, 0.1)}, rounds=2)
        _, second = (np.array([row["target_rate_1"], row["target_rate_2"]]) for row in lab.rows)
        np.testing.assert_allclose(second, self.cells.aims[self.cells.of(second)], rtol=1e-3)

    def test_a_near_miss_is_corrected_by_its_own_run(self) -> None:
        edge = int(self.cells.of(np.array([6.0, 2.0])))
        asked = np.full((1, 2), [9.0, 2.7])
        driver = TargetCoverage(BASE, self.region, 0.2, DIGEST)
        target = driver._target(edge, asked, asked * 0.9)
        np.testing.assert_allclose(target, np.minimum(self.cells.aims[edge] / 0.9, target))
        assert self.cells.of(target) == edge


def test_a_run_that_was_killed_goes_on_with_its_own_targets() -> None:
    lab = Laboratory(SURFACE)
    driver = TargetCoverage(BASE, REGION, 0.2, DIGEST)
    lab.run(driver, 6)
    (stopped,) = driver.propose(lab.history, 1)
    lab.begin(stopped, "KILLED", "stopped by signal 15")
    others = driver.propose(lab.history, 30)
    assert stopped.identity in {one.identity for one in others}


def test_a_grid_with_a_region_leaves_out_what_leads_elsewhere() -> None:
    lab = Laboratory(SURFACE)
    driver = GridDriver(BASE, SURFACE.grid, (0,), DIGEST, REGION)
    lab.run(driver, 441, at_once=8)
    inside = REGION.contains(SURFACE.rates).sum()
    found = REGION.contains(finished_rates(lab.history, 2)).sum()
    assert found >= 0.98 * inside, "hardly a cell of the region is missed"
    assert len(lab.rows) <= 0.75 * len(SURFACE.grid)
    assert inside <= 0.6 * len(SURFACE.grid)
