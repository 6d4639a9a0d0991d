"""The report says which of its sentences rest on one seed, and how to train more."""

import re
import shlex
from collections.abc import Callable

import pandas as pd
import pytest

from analysis.recommendation.recommender import recommend
from analysis.report import build, section
from analysis.report.replication import replication
from analysis.suggested_commands import EXPERIMENT, seeds_command
from hit.config import TrainConfig
from sweeps.__main__ import parser
from sweeps.drivers.build import build_driver
from sweeps.drivers.grid import GridDriver
from sweeps.spec.request import SweepRequest

MakeFrame = Callable[..., pd.DataFrame]


def table(frame: pd.DataFrame, *applications: str) -> list[tuple[str, str, str, bool]]:
    """Seeds of the best run, of the best with equal β, what it means, and whether the sentence rests on one seed."""
    found = replication(frame, [recommend(frame, one) for one in applications], "")
    assert found is not None
    told = [[_seeds(str(cell)) for cell in (one.best, one.equal)] for one in found.rows]
    return [(*cells, row.means, row.alone) for cells, row in zip(told, found.rows, strict=True)]


def _seeds(cell: str) -> str:
    """What stands below the run's name."""
    return re.sub(r"<.*?>", "", cell.partition("<br>")[2])


def test_one_seed_of_each(make_frame: MakeFrame) -> None:
    frame = make_frame(4)
    ((best, equal, means, alone),) = table(frame, "representation")
    assert (best, equal, alone) == ("1 seed", "1 seed", True)
    assert means == "Value and gain are one draw each: with other seeds the gain may be larger, or none."


def test_several_seeds_of_each(make_frame: MakeFrame) -> None:
    frame = make_frame(4, seeds=3)
    ((best, equal, means, alone),) = table(frame, "representation")
    assert (best, equal, alone) == ("3 seeds (0, 1, 2)", "3 seeds (0, 1, 2)", False)
    assert means == "Value and gain have a spread over seeds."
    assert replication(frame, [recommend(frame, "density")], "").commands == []  # type: ignore[union-attr]


def test_one_of_the_two_alone(make_frame: MakeFrame) -> None:
    frame = make_frame(4, seeds=2)
    equal = frame["beta_1"] == frame["beta_2"]
    first = frame[equal | (frame["seed"] == 0)].reset_index(drop=True)
    other = frame[~equal | (frame["seed"] == 0)].reset_index(drop=True)
    assert table(first, "representation")[0][2].startswith("The best run is one draw")
    assert table(other, "representation")[0][2].startswith("What free β is compared with is one draw")
    assert all(row[3] for some in (first, other) for row in table(some, "representation"))


def test_unfinished_seeds_do_not_count(make_frame: MakeFrame) -> None:
    frame = make_frame(4, seeds=2)
    frame.loc[frame["seed"] == 1, "status"] = "RUNNING"
    assert table(frame, "representation")[0][3]


def test_one_layer_and_no_equal_run(make_frame: MakeFrame) -> None:
    line = make_frame(4, layers=1)
    assert "the value of another seed is not known" in table(line, "reconstruction")[0][2]
    free = make_frame(4)
    free = free[free["beta_1"] != free["beta_2"]]
    found = replication(free, [recommend(free, "representation")], "")
    assert found is not None
    assert str(found.rows[0].equal) == "no such run"


def test_nothing_recommended(make_frame: MakeFrame) -> None:
    assert replication(make_frame(2), [], "") is None


@pytest.mark.parametrize("config", [{}, {"target_rate_1": 30.0, "target_rate_2": 10.0}, {"seed": 7}])
def test_the_command_trains_further_seeds_of_that_model(config: dict[str, float]) -> None:
    given = {"dataset": "digits", "beta_1": 2.15443, "beta_2": 0.1, "epochs": 24, "learning_rate": 3e-3, **config}
    if "target_rate_1" in config:
        given |= {"beta_1": 1.0, "beta_2": 1.0}
    trained = TrainConfig.from_flat(given)
    row = trained.to_flat() | {"run_id": "a" * 32, "group": trained.group("d"), "status": "FINISHED"}
    if "target_rate_1" in config:
        row |= {"beta_1": 0.37, "beta_2": 0.12}  # where it ended
    frame = pd.DataFrame([row, row | {"run_id": "b" * 32, "channels": 99}])
    frame.attrs[EXPERIMENT] = "mine"
    command = seeds_command(frame, frame.iloc[0], [trained.seed])
    python, flag, module, *words = shlex.split(command)
    assert (python, flag, module) == ("python", "-m", "sweeps")
    request = SweepRequest.parse(parser().parse(words))
    assert request.options.experiment == "mine"
    driver = build_driver(request.choice, "d")
    assert isinstance(driver, GridDriver)
    proposals = driver.propose(pd.DataFrame({"config_hash": [trained.identity("d")], "status": ["FINISHED"]}), 9)
    assert {one.config.group("d") for one in proposals} == {trained.group("d")}
    assert len({one.config.seed for one in proposals} - {trained.seed}) == len(proposals) == 2


def test_cells_of_a_surface_have_no_seeds_to_train(make_frame: MakeFrame) -> None:
    frame = make_frame(2).assign(amortised="a" * 32)
    assert seeds_command(frame, frame.iloc[0], [0]) == ""


def test_the_page_has_the_table(make_frame: MakeFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(section, "galleries", lambda *arguments: [])  # most of the time, and nothing of the table
    page = build(make_frame(4))
    told = page.partition("Which sentences rest on one seed?")[2].partition("All regions")[0]
    assert "<strong>4 of 4.</strong>" in told
    assert told.count("python -m sweeps --seeds 0,1,2 --grid_1") >= 3
    several = build(make_frame(4, seeds=2)).partition("rest on one seed?")[2][:400]
    assert "<strong>None.</strong>" in several
    assert "Regions rest on all runs: the 32 runs are of 2 seeds only." in several
