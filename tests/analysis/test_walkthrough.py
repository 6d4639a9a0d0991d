"""The notebook runs from its first cell to its last on a small store, and is stored without outputs."""

import json
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tests.commands import PATIENCE_SECONDS, ROOT, SMALL, Commands

NOTEBOOK = ROOT / "docs" / "walkthrough.ipynb"


def test_the_notebook_is_stored_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    assert NOTEBOOK.stat().st_size < 20_000


def test_the_notebook_runs(tmp_path: Path) -> None:
    commands = Commands(tmp_path)
    small = [*SMALL, "--epochs", "1", "--learning_rate", "3e-3", "--grid_1", "0.1:10:4", "--grid_2", "0.1:10:3"]
    small += ["--further_seeds", "0"]
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
