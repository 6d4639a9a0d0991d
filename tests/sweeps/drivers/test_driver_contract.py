"""What holds for every driver, whatever it chooses by."""

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from hit.config.rates.beta_grid import BetaGrid
from sweeps.drivers.build import build_driver
from sweeps.drivers.driver import Driver, with_pending
from sweeps.spec.driver_options import Choice, ChoosingOptions, Sampler
from tests.replay import ACCURACY, BASE, DIGEST, Laboratory, Surface

SURFACE = Surface.analytic(7)
GRID = BetaGrid.parse({1: "0.1:10:7", 2: "0.1:10:7"}, 2, (1.0, 1.0))
START = BetaGrid(((1.0,), (1.0,)))  # of β, where rates are proposed
REGION = "rate_1=5:45,rate_2=1:18,rate=:50"


def driver(name: str, grid: BetaGrid = GRID, seeds: tuple[int, ...] = (0,), **options: object) -> Driver:
    return build_driver(Choice.check(name, ChoosingOptions(**options), BASE, grid, seeds), DIGEST)  # type: ignore[arg-type]


DRIVERS: dict[str, Callable[[], Driver]] = {
    "grid": lambda: driver("grid", seeds=(0, 1)),
    "grid in a region": lambda: driver("grid", region=REGION),
    "coverage over rates": lambda: driver("coverage", START, region=REGION),
    "coverage over betas": lambda: driver("coverage", region=REGION, over="betas"),
    "bayes over rates": lambda: driver("bayes", START, region=REGION, over="rates", sampler="tpe"),
    "bayes of fields": lambda: driver("bayes", sampler="tpe", space="learning_rate=1e-4:1e-2,channels=4|8"),
    "bayes with constraints": lambda: driver(
        "bayes", region=REGION, constraints="test/psnr>=15", objectives=f"test/psnr,{ACCURACY},test/rate=min"
    ),
} | {f"bayes {name}": lambda name=name: driver("bayes", sampler=name) for name in get_args(Sampler)}  # type: ignore[misc]


@pytest.mark.parametrize("name", DRIVERS)
class TestDriver:
    @pytest.fixture
    def lab(self, name: str) -> Laboratory:
        """Fifteen runs that the driver asked for: finished, running, killed, and one that diverged."""
        lab = Laboratory(SURFACE)
        for proposal in DRIVERS[name]().propose(lab.history, 15):
            number = len(lab.rows)
            if number == 12:
                lab.begin(proposal, "FAILED", "diverged: the loss is nan")
            elif number == 13:
                lab.begin(proposal, "KILLED", "stopped by signal 15")
            else:
                row = lab.begin(proposal)
                if number != 14:
                    lab.finish(row, proposal.config)
        assert len(lab.rows) == 15
        return lab

    def test_begins_with_an_empty_history(self, name: str) -> None:
        proposals = DRIVERS[name]().propose(Laboratory(SURFACE).history, 5)
        assert len(proposals) == len({one.identity for one in proposals}) == 5
        assert all(one.reason for one in proposals)
        assert DRIVERS[name]().done(Laboratory(SURFACE).history) == ""
        assert DRIVERS[name]().situation(Laboratory(SURFACE).history) is not None

    def test_identities_are_those_of_the_store(self, name: str, lab: Laboratory) -> None:
        for one in DRIVERS[name]().propose(lab.history, 4):
            assert one.identity == one.config.identity(DIGEST)

    def test_proposes_at_most_what_is_asked_for_and_nothing_twice(self, name: str, lab: Laboratory) -> None:
        history = lab.history
        killed = set(history.loc[history["status"] == "KILLED", "config_hash"])
        others = set(history["config_hash"]) - killed
        for n in (0, 1, 4):
            proposals = DRIVERS[name]().propose(history, n)
            assert len(proposals) == len({one.identity for one in proposals}) <= n
            assert not {one.identity for one in proposals} & others
        assert proposals, "there is something left to do"

    def test_the_same_history_gives_the_same_answer(self, name: str, lab: Laboratory) -> None:
        """Killed and started again, on another machine, with the rows in another order."""
        first = DRIVERS[name]()
        proposals = first.propose(lab.history, 3)
        assert first.propose(lab.history, 3) == proposals, "it keeps no state"
        shuffled = lab.history.sample(frac=1, random_state=1)
        assert DRIVERS[name]().propose(shuffled, 3) == proposals
        assert DRIVERS[name]().done(shuffled) == first.done(lab.history)

    def test_what_is_on_its_way_counts(self, name: str, lab: Laboratory) -> None:
        """Asked for one after the other, or in one go: the same, wherever the store stands behind."""
        first, second = DRIVERS[name]().propose(lab.history, 2)
        pending = with_pending(lab.history, [first], DIGEST)
        assert len(pending) == len(lab.history) + 1
        assert with_pending(pending, [first], DIGEST) is pending
        (then,) = DRIVERS[name]().propose(pending, 1)
        assert then.identity not in {first.identity, *lab.history["config_hash"]} - {second.identity}
        assert DRIVERS[name]().running(pending) == 2

    def test_counts_its_runs_whoever_started_them(self, name: str, lab: Laboratory) -> None:
        chooser = DRIVERS[name]()
        assert chooser.finished(lab.history) == 12
        assert chooser.running(lab.history) == 1
        assert len(chooser.mine(lab.history)) == 15

    def test_other_data_and_other_protocols_are_nothing_to_it(self, name: str, lab: Laboratory) -> None:
        mine = lab.history
        foreign = [mine.assign(data_digest="another"), mine.assign(epochs=99), mine.assign(amortised="a surface")]
        foreign = [
            frame.assign(config_hash=[f"{index} {number}" for number in range(len(frame))])
            for index, frame in enumerate(foreign)
        ]
        everything = pd.concat([*foreign, mine], ignore_index=True)
        assert DRIVERS[name]().propose(everything, 2) == DRIVERS[name]().propose(mine, 2)
        assert DRIVERS[name]().finished(everything) == 12


def test_a_run_that_says_nothing_of_itself_yet_is_pending_all_the_same() -> None:
    """Its params come to the store after its tags."""
    lab = Laboratory(SURFACE)
    (proposal,) = DRIVERS["grid"]().propose(lab.history, 1)
    lab.begin(proposal)
    bare = lab.history.assign(**dict.fromkeys(BASE.to_flat()))
    assert len(with_pending(bare, [proposal], DIGEST)) == 2
    assert len(with_pending(lab.history, [proposal], DIGEST)) == 1


def test_what_a_field_that_is_missing_means() -> None:
    """A run of an older version lacks a field: it had what is now the default."""
    lab = Laboratory(SURFACE)
    (proposal,) = driver("bayes", sampler="random").propose(lab.history, 1)
    lab.finish(lab.begin(proposal), proposal.config)
    older = lab.history.drop(columns="schedule")
    assert driver("bayes").finished(older) == 1
    cosine = Choice.check("bayes", ChoosingOptions(), replace(BASE, schedule="cosine"), GRID, (0,))
    assert build_driver(cosine, DIGEST).finished(older) == 0
    assert np.isfinite(older["test/psnr"]).all()
