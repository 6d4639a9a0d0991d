"""The notebooks run from their first cell to their last, on a small store and in a small form, and hold no outputs."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.commands import PATIENCE_SECONDS, ROOT, SMALL, Commands

NOTEBOOK = ROOT / "docs" / "walkthrough.ipynb"
TUTORIAL = ROOT / "docs" / "tutorial.ipynb"


@pytest.mark.parametrize("path", [NOTEBOOK, TUTORIAL], ids=lambda path: path.stem)
def test_notebooks_are_stored_without_outputs(path: Path) -> None:
    cells = json.loads(path.read_text())["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    assert path.stat().st_size < 20_000


@pytest.mark.timeout(600)  # a kernel, sweeps and pictures
def test_the_walkthrough_runs(tmp_path: Path) -> None:
    commands = Commands(tmp_path)
    small = [*SMALL, "--epochs", "1", "--learning_rate", "3e-3", "--grid_1", "0.1:10:4", "--grid_2", "0.1:10:3"]
    small += ["--further_seeds", "0", "--launcher", "inline"]
    swept = commands.run("sweeps", *small)
    assert swept.returncode == 0, swept.stderr
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook, timeout=int(PATIENCE_SECONDS), kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute(env=commands.environment)
    last = notebook.cells[-1].outputs[-1]["data"]["text/plain"]
    assert "'z_2': (8, 5), 'images': (8, 1, 28, 28)" in last
    said = "".join(
        output.get("text", "") for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
    )
    assert said.count(": target R_1") == 4
    assert "representation: no finished run has" in said, "the store has the core metrics alone"
    assert "by a Gaussian process over 12 runs" in said
    pictures = [
        output.data
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "application/vnd.plotly.v1+json" in output.get("data", {})
    ]
    assert len(pictures) == 4, "rate space, paths, profile, samples"


@pytest.mark.timeout(600)  # a kernel, sweeps and pictures
def test_the_tutorial_runs_with_few_epochs_and_models(tmp_path: Path) -> None:
    notebook = nbformat.read(TUTORIAL, as_version=4)
    for cell in notebook.cells:
        cell.source = re.sub(r'(epochs(?:=|", "))\d+', r"\g<1>1", cell.source).replace("0.1:10:4", "0.1:10:2")
    client = NotebookClient(
        notebook, timeout=int(PATIENCE_SECONDS), kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute(env=Commands(tmp_path).environment)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    said = "".join(output.get("text", "") for output in outputs)
    assert "reconstruction: target R_1" in said
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    assert kinds.count("application/vnd.plotly.v1+json") == 2, "rate space, twice"
    assert kinds.count("image/png") == 2, "reconstructions and samples"
