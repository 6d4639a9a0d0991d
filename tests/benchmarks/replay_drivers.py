"""Drivers replayed on a recorded surface: runs until a region is covered, and until a front is found.

`python -m tests.benchmarks.replay_drivers coverage` and `… bayes` print; `--surface` is a table that
tests/benchmarks/record_surface.py has written, or `analytic`.
"""

__all__ = ["main"]

import argparse
import statistics
from pathlib import Path
from typing import Any

import numpy as np

from analysis.recommendation.objectives import parse_objectives
from hit.config.rates.beta_grid import BetaGrid
from hit.config.rates.rate_region import RateRegion
from sweeps.drivers.build import build_driver
from sweeps.drivers.driver import Driver
from sweeps.drivers.hypervolume import hypervolume
from sweeps.drivers.region_cells import RegionCells
from sweeps.drivers.run_rates import finished_rates
from sweeps.spec.driver_options import Choice, ChoosingOptions
from tests.benchmarks.record_surface import TABLE
from tests.replay import ACCURACY, BASE, DIGEST, Laboratory, Surface

_OBJECTIVES = f"test/psnr,{ACCURACY},test/rate=min"


def _driver(name: str, grid: BetaGrid, **options: Any) -> Driver:
    # The table holds one seed of each model.
    return build_driver(Choice.check(name, ChoosingOptions(further_seeds=0, **options), BASE, grid, (0,)), DIGEST)


def coverage(
    surface: Surface, region: RateRegion, hole: float, share: float = 0.9, *, regional: bool = True
) -> dict[str, float]:
    """Runs until `share` of the cells of the region that the grid reaches hold one: by driver.

    Args:
        regional: whether to try the grid that knows the region, too, which takes longest.
    """
    cells = RegionCells.cut(region, hole)
    reached = set(cells.of(surface.rates).tolist()) - {-1}
    enough = share * len(reached)
    text = str(region)

    def covered(history: Any) -> bool:
        return len(set(cells.of(finished_rates(history, 2)).tolist()) & reached) >= enough

    needed: dict[str, float] = {"cells": len(reached)}
    drivers = {
        "coverage over betas": _driver("coverage", surface.grid, region=text, over="betas", hole=hole),
        "grid": _driver("grid", surface.grid),
    }
    if regional:
        drivers["grid in the region"] = _driver("grid", surface.grid, region=text)
    for title, driver in drivers.items():
        needed[title] = Laboratory(surface).run(driver, len(surface.grid), until=covered)
    trials = []
    for seed in range(50):
        order = np.random.default_rng(seed).permutation(len(surface.rates))
        seen: set[int] = set()
        for spent, cell in enumerate(cells.of(surface.rates[order]).tolist(), start=1):
            seen |= {cell} & reached
            if len(seen) >= enough:
                trials.append(spent)
                break
    return needed | {"random, median": statistics.median(trials)}


def bayes(surface: Surface, sampler: str, seeds: int, budget: int, share: float = 0.95) -> list[int]:
    """Runs until the hypervolume is `share` of the full grid's, one number a seed; budget + 1 where it was not.

    A seed is one cell that was trained before, at random: the driver itself has no chance in it.
    """
    objectives = parse_objectives(_OBJECTIVES, 2, {"core", "latents"})
    table = np.column_stack([surface.metrics[one.name].ravel() * one.sign for one in objectives])
    low, high = table.min(0), table.max(0)
    whole = hypervolume((table - low) / (high - low), np.ones(len(objectives)))

    def found(history: Any) -> bool:
        values = np.column_stack([history[one.name].to_numpy(float) * one.sign for one in objectives])
        return hypervolume((values - low) / (high - low), np.ones(len(objectives))) >= share * whole

    needed = []
    for seed in range(seeds):
        lab = Laboratory(surface)
        driver = _driver("bayes", surface.grid, objectives=_OBJECTIVES, sampler=sampler)
        chance = np.random.default_rng(seed)
        betas = [axis[chance.integers(len(axis))] for axis in surface.grid.axes]
        start = _driver("grid", BetaGrid(tuple((float(beta),) for beta in betas)))
        spent = lab.run(start, 1)
        spent += lab.run(driver, budget - spent, until=found)
        needed.append(spent if found(lab.history) else budget + 1)
        print(f"  seed {seed}: {needed[-1]} runs", flush=True)
    return needed


def main() -> None:
    """Print how many runs each way needs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["coverage", "bayes"])
    parser.add_argument("--surface", default=str(TABLE))
    parser.add_argument("--region", default="rate_1=5:45,rate_2=1:18,rate=:50")
    parser.add_argument("--hole", type=float, default=0.2)
    parser.add_argument("--sampler", default="gp")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--budget", type=int, default=60)
    options = parser.parse_args()
    surface = Surface.analytic() if options.surface == "analytic" else Surface.load(Path(options.surface))
    if options.what == "coverage":
        for title, runs in coverage(surface, RateRegion.parse(options.region, 2), options.hole).items():
            print(f"  {title:22} {runs:g}", flush=True)
        return
    needed = bayes(surface, options.sampler, options.seeds, options.budget)
    print(
        f"{options.sampler}: 95 % of the grid's hypervolume after {statistics.median(needed):g} runs, median; {needed}"
    )


if __name__ == "__main__":
    main()
