"""Commands that are suggested: for the experiment and the protocol of the runs, and such that they end."""

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from analysis.recommendation.recommender import recommend
from analysis.suggested_commands import (
    EXPERIMENT,
    classify_command,
    evaluate_command,
    search_command,
    seeds_command,
    surface_command,
    train_commands,
)
from hit.classify import parser as classify
from hit.cli import CONFIG
from hit.config import TrainConfig
from hit.errors import StoreError
from hit.evaluate import parser as evaluate
from hit.extensions import load_extensions
from hit.extensions.discovery import temporary
from hit.surface import parser as surface
from sweeps.__main__ import parser as sweep


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
    config = TrainConfig.from_flat(sweep().parse(words[3:])[CONFIG])
    assert (config.epochs, config.learning_rate, config.dataset) == (7, 3e-3, "binary_mnist")
    assert "--channels" not in words, "they differ"
    assert float(words[words.index("--budget") + 1]) > 0, "it ends"


def test_every_command_is_complete(grid: pd.DataFrame) -> None:
    grid = grid.assign(dataset="my photos", data_root="/data sets", crop=32)
    grid.attrs[EXPERIMENT] = "mine"
    commands = {
        classify_command(grid): (classify, {"dataset": "my photos", "crop": "32"}),
        evaluate_command(grid): (evaluate, {}),
        search_command(grid, "test/rate<=9"): (sweep, {"dataset": "my photos", "crop": "32"}),
        surface_command(grid): (surface, {"dataset": "my photos", "crop": "32"}),
    }
    for command, (made, wanted) in commands.items():
        python, flag, _, *words = shlex.split(command)
        assert (python, flag) == ("python", "-m")
        made().parse(words)
        given = dict(zip(words[::2], words[1::2], strict=True))
        wanted = {"experiment": "mine", "data_root": "/data sets", **wanted}
        assert {name: given.get(f"--{name}") for name in wanted} == wanted, command
    said = re.findall(r"`python -m ([\w.]+) (.*?)`", train_commands("mine"))
    assert said == [("hit.train", "--experiment mine"), ("sweeps", "--experiment mine")]


def test_who_lacks_a_classifier_is_told_for_which_data(grid: pd.DataFrame) -> None:
    with pytest.raises(StoreError, match=r"`python -m hit\.classify --dataset binary_mnist`"):
        recommend(grid, "generation")


def test_they_name_the_extensions_that_the_runs_had(grid: pd.DataFrame) -> None:
    told = ["m.py@0123456789abcdef /home/me/my m.py\nmine.parts@0123456789abcdef /x/site-packages/mine/parts.py", None]
    grid = grid.assign(extensions=[*told, *[""] * (len(grid) - 2)])
    named = ["--extensions", "/home/me/my m.py,mine.parts"]
    commands = [
        evaluate_command(grid),
        classify_command(grid),
        search_command(grid, "test/rate<=9"),
        surface_command(grid),
    ]
    for command in commands:
        words = shlex.split(command)
        assert words[words.index("--extensions") :][:2] == named
    row = grid.iloc[0]
    assert shlex.quote(named[1]) in seeds_command(grid, row, {0})
    assert "--extensions" not in evaluate_command(grid.assign(extensions=None))


def test_an_extension_that_is_loaded_is_named_where_it_lies(
    grid: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m.py").write_text("")
    monkeypatch.chdir(tmp_path)
    with temporary():
        load_extensions("m.py")
        assert " --extensions m.py" in evaluate_command(grid.assign(extensions="m.py@0123456789abcdef /elsewhere/m.py"))
