"""What `import analysis` gives, and the names under which it could be had before."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import pytest

import analysis
from tests.many_runs import fill_store
from tests.stores import new_database

#: In a process of its own, which has imported nothing.
SCRIPT = """
import sys
import analysis
loaded = {"pandas", "numpy", "plotly", "sklearn", "mlflow", "torch", "hit"} & set(sys.modules)
assert not loaded, loaded
assert {*analysis.__all__} <= {*dir(analysis)}
from analysis.runs import Query, histories, replicates, runs
from analysis.recommend import recommend
from analysis.figures import rate_space
from analysis import figures, recommend as same
import analysis.runs, analysis.recommend
assert analysis.runs is runs and analysis.Query is Query and analysis.histories is histories
assert analysis.recommend is recommend is same and analysis.replicates is replicates
assert analysis.figures is figures and figures.rate_space is rate_space
assert "mlflow" not in sys.modules
"""


def test_names_are_loaded_when_they_are_asked_for_and_former_imports_work() -> None:
    result = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_the_names_do_what_they_say(tmp_path: Path, grid: pd.DataFrame) -> None:
    uri = new_database(tmp_path / "store.db")
    fill_store(uri, 3, epochs=2)
    frame = analysis.runs(tracking_uri=uri)
    assert len(frame) == len(analysis.Query(tracking_uri=uri).runs()) == 3
    assert set(analysis.histories(frame, ["train/elbo"], uri)["epoch"]) == {1, 2}
    assert len(analysis.replicates(grid, ["test/psnr"])) == 25
    found = analysis.recommend(grid, "reconstruction")
    assert found.value == grid["test/psnr"].max()
    assert isinstance(analysis.figures.targets(grid, [found]), go.Figure)


@pytest.mark.parametrize("wrong", ["analysis.rns", "analysis.runs.require", "analysis.recommend.runner"])
def test_what_is_not_there_is_named(wrong: str) -> None:
    module, _, name = wrong.rpartition(".")
    with pytest.raises(AttributeError, match=f"module '{module}' has no attribute '{name}'"):
        getattr(sys.modules[module], name)
    with pytest.raises(ImportError):
        exec(f"from {module} import {name}")
