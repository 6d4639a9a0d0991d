"""Commands that are suggested: for the experiment and the protocol of the runs, and such that they end."""

import shlex

import pandas as pd
import pytest

from analysis.recommend import recommend
from analysis.suggestions import EXPERIMENT, evaluate_command, search_command
from hit.cli import CONFIG
from hit.config import TrainConfig
from hit.errors import StoreError
from sweeps.__main__ import parser


@pytest.mark.parametrize(("experiment", "said"), [("hit", []), ("my runs", ["--experiment", "my runs"])])
def test_they_name_the_experiment(grid: pd.DataFrame, experiment: str, said: list[str]) -> None:
    grid.attrs[EXPERIMENT] = experiment
    for command in (evaluate_command(grid), search_command(grid, "test/rate<=9")):
        words = shlex.split(command)
        where = words.index("--experiment") if "--experiment" in words else len(words)
        assert words[where : where + 2] == said


def test_a_search_trains_models_like_those_that_are_there(grid: pd.DataFrame) -> None:
    grid = grid.assign(epochs=7, learning_rate=3e-3, channels=[4, *[8] * (len(grid) - 1)])
    with pytest.raises(StoreError) as caught:
        recommend(grid, "reconstruction where test/rate<=-1")
    command = str(caught.value).split("`")[1]
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "sweeps"]
    config = TrainConfig.from_flat(parser().parse(words[3:])[CONFIG])
    assert (config.epochs, config.learning_rate, config.dataset) == (7, 3e-3, "binary_mnist")
    assert "--channels" not in words, "they differ"
    assert float(words[words.index("--budget") + 1]) > 0, "it ends"
