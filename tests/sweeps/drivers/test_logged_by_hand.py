"""What a person has logged by hand can be what a search is for; a name that no run has cannot."""

from pathlib import Path

import numpy as np
import pytest

from analysis.frame import require
from analysis.recommendation.applications import application
from analysis.recommendation.objectives import Objective, parse_objectives
from analysis.recommendation.recommender import recommend
from analysis.recommendation.text import summary_lines
from hit.connection import connect, experiment_id
from hit.errors import ConfigError, StoreError
from hit.schema import Kind, Tag
from hit.store import Store
from sweeps.drivers.bayes import BayesDriver
from sweeps.drivers.build import build_driver, check_logged
from sweeps.scheduler.progress import Best
from sweeps.spec.driver_options import Choice, ChoosingOptions
from tests.frames import grid_frame
from tests.replay import BASE, DIGEST, Laboratory, Surface
from tests.stores import new_database

SURFACE = Surface.analytic(21)


def choice(objectives: str) -> Choice:
    options = ChoosingOptions(sampler="gp", objectives=objectives, further_seeds=0)
    return Choice.check("bayes", options, BASE, SURFACE.grid, (0,))


def test_a_direction_is_all_that_is_asked_of_a_name() -> None:
    assert parse_objectives("taste=max, test/psnr", 2, {"core"}) == (
        Objective("taste", "maximize"),
        Objective("test/psnr", "maximize"),
    )
    for text in ("taste", "taste=up", "test/rate_9=min", "test/mi_z2=max", "ta:ste=max", "x" * 251 + "=max", "=max"):
        with pytest.raises(ConfigError):
            parse_objectives(text, 2, {"core"})


def test_an_unknown_name_is_told_the_nearest() -> None:
    for text, near in (("test/psnrr", "test/psnr"), ("psnr", "test/psnr"), ("zzz", " more")):
        with pytest.raises(ConfigError, match=near) as raised:
            parse_objectives(text, 2, {"core"})
        assert len(str(raised.value)) < 500


def test_some_run_must_have_it(tmp_path: Path) -> None:
    uri = new_database(tmp_path / "store.db")
    client = connect(uri)
    run = client.create_run(experiment_id(client, "hit"), tags={Tag.KIND: Kind.TRAIN})
    client.log_metric(run.info.run_id, "taste", 0.5)
    check_logged(choice("taste=max"), Store(uri), "hit")
    check_logged(choice("test/psnr"), Store(uri), "nowhere")
    with pytest.raises(ConfigError, match="that some model of experiment 'hit' has, got 'tast'; did you mean 'taste'"):
        check_logged(choice("tast=max"), Store(uri), "hit")
    with pytest.raises(ConfigError, match="experiment 'another' has, got 'taste'"):
        check_logged(choice("taste=max"), Store(uri), "another")


def test_the_driver_looks_where_it_is_better() -> None:
    driver = build_driver(choice("taste=max"), DIGEST)
    assert isinstance(driver, BayesDriver)
    lab = Laboratory(SURFACE)
    lab.run(build_driver(choice("test/psnr"), DIGEST), 24)
    history = lab.history.assign(taste=-np.abs(np.log10(lab.history["beta_1"]) - 0.5))
    proposals = driver.propose(history, 6)
    assert np.median([abs(np.log10(one.config.betas[0]) - 0.5) for one in proposals]) < 0.2
    assert "best so far: taste -" in driver.situation(history)
    assert Best.of(history, "taste") is None, "no end of it is declared to be the better one"
    lacking = history.assign(taste=np.nan)
    assert driver.propose(lacking, 1), "nobody has tasted yet"


def test_a_recommendation_takes_it_too() -> None:
    frame = grid_frame(4)
    frame["taste"] = -np.abs(np.log10(frame["beta_1"]))
    assert len(require(frame, "taste")) == len(frame)
    asked = application("pareto:taste=max,test/psnr")
    assert "more taste" in asked.text
    assert np.isfinite(recommend(frame, asked.name).value)
    assert any("taste" in line for line in summary_lines(frame, [asked]))
    with pytest.raises(StoreError, match="no finished run has taste, which a person has logged"):
        require(frame.assign(taste=np.nan), "taste")
    with pytest.raises(StoreError, match="no metric is called 'smell'"):
        require(frame, "smell")
