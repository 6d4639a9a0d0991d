"""The bayes driver learns from the history, says what it cannot do yet, and knows when to stop."""

import re

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial

from hit.config.rates.beta_grid import BetaGrid
from sweeps.drivers.bayes import BayesDriver
from sweeps.drivers.build import build_driver
from sweeps.drivers.optuna_samplers import _QuickGPSampler
from sweeps.spec.driver_options import Choice, ChoosingOptions
from tests.replay import ACCURACY, BASE, DIGEST, Laboratory, Surface

SURFACE = Surface.analytic(21)


def driver(sampler: str = "tpe", **options: object) -> BayesDriver:
    choice = Choice.check(
        "bayes", ChoosingOptions(sampler=sampler, further_seeds=0, **options), BASE, SURFACE.grid, (0,)
    )  # type: ignore[arg-type]
    built = build_driver(choice, DIGEST)
    assert isinstance(built, BayesDriver)
    return built


def history(runs: int = 20) -> Laboratory:
    lab = Laboratory(SURFACE)
    lab.run(driver("qmc"), runs)
    return lab


@pytest.mark.parametrize("sampler", ["gp", "tpe", "cmaes", "nsga2"])
def test_proposals_are_better_than_chance(sampler: str) -> None:
    lab = history(40)
    best = driver(sampler, objectives="test/psnr").propose(lab.history, 6)
    psnr = [SURFACE.at(one.config.betas)["test/psnr"] for one in best]
    assert np.median(psnr) > lab.history["test/psnr"].quantile(0.75)


def test_a_constraint_turns_it_round() -> None:
    lab = history(24)
    free = driver("gp", objectives="test/psnr").propose(lab.history, 2)
    bound = driver("gp", objectives="test/psnr", constraints="test/rate<=20").propose(lab.history, 2)
    rates = [[SURFACE.at(one.config.betas)["test/rate"] for one in some] for some in (free, bound)]
    assert min(rates[0]) > 40
    assert max(rates[1]) < 25


def test_a_constraint_that_nothing_meets_is_told() -> None:
    lab = history(16)
    asked = driver("gp", objectives="test/psnr", constraints="test/psnr>=99,test/rate<=500")
    (proposal,) = asked.propose(lab.history, 1)
    assert "no run has met test/psnr>=99 yet: exploring" in proposal.reason
    assert "test/psnr>=99" in asked.situation(lab.history)
    together = driver("gp", objectives="test/psnr", constraints=f"test/rate_2<=1,{ACCURACY}>=0.9")
    assert "no run has met all constraints together yet" in together.propose(lab.history, 1)[0].reason


def test_patience_ends_what_does_not_improve() -> None:
    lab = history(12)
    ranked = lab.history.sort_values("test/psnr", ignore_index=True)
    late = pd.to_datetime(np.arange(12), unit="s", utc=True)
    rising, falling = ranked.assign(end_time=late), ranked.assign(end_time=late[::-1])
    patient = driver(objectives="test/psnr", patience=4)
    assert patient.done(rising) == ""
    assert patient.done(falling) == "the last 4 runs have not improved test/psnr=max"
    assert patient.done(falling.head(4)) == "", "too few to tell"
    assert driver(objectives="test/psnr").done(falling) == "", "no patience was asked for"


def test_runs_without_the_metric_teach_nothing() -> None:
    lab = history(12)
    bare = lab.history.drop(columns="test/psnr")
    (proposal,) = driver("gp", objectives="test/psnr").propose(bare, 1)
    assert "0 finished runs are too few for gp" in proposal.reason


def test_a_small_space_is_exhausted() -> None:
    grid = BetaGrid(((1.0,), (1.0,)))
    choice = Choice.check("bayes", ChoosingOptions(sampler="random", space="channels=4|8|16"), BASE, grid, (0,))
    proposals = build_driver(choice, DIGEST).propose(Laboratory(SURFACE).history, 10)
    assert {one.config.channels for one in proposals} == {4, 8, 16}
    assert len(proposals) == 3


def test_fields_that_do_not_go_together_are_not_proposed() -> None:
    options = ChoosingOptions(sampler="random", space="latent=dense|conv,posterior=gaussian|gumbel_softmax")
    choice = Choice.check("bayes", options, BASE, SURFACE.grid, (0,))
    proposals = build_driver(choice, DIGEST).propose(Laboratory(SURFACE).history, 20)
    assert {(one.config.latent, one.config.posterior) for one in proposals} == {
        ("dense", "gaussian"),
        ("dense", "gumbel_softmax"),
        ("conv", "gaussian"),
    }


def test_the_best_so_far_is_told_with_its_standard_error() -> None:
    found = history(16).history
    asked = driver("tpe", objectives=f"test/psnr,{ACCURACY}=max")
    assert "±" not in asked.situation(found)
    found = found.assign(**{"test/psnr_standard_error": 0.123, "test/held_out": 360.0})
    told = driver("tpe", objectives=f"test/psnr,{ACCURACY}=max").situation(found)
    assert re.search(r"PSNR [0-9.]+ ± 0\.1 dB, accuracy .* [0-9.]+ ± 0\.0[0-9]", told), told


def test_the_gaussian_process_learns_what_parts_runs_of_one_place() -> None:
    chance = np.random.default_rng(0)
    at = chance.random(60)
    scores = np.sin(3 * at) + 0.1 * chance.normal(size=60)
    study = optuna.create_study(sampler=(sampler := _QuickGPSampler(0)))
    distributions = {"x": FloatDistribution(0, 1)}
    for x, score in zip(at, scores, strict=True):
        study.add_trial(create_trial(params={"x": x}, distributions=distributions, values=[score]))
    study.ask(distributions)
    (process,) = sampler._gprs_cache_list
    assert float(process.noise_var) ** 0.5 * scores.std() == pytest.approx(0.1, rel=0.3)
