"""Stdout has the result of a command and nothing else, `id=$(hit train …)`; all other words go to stderr."""

import re
import sys
from pathlib import Path

import pytest

from hit.cli.console import main
from tests.commands import SMALL
from tests.stores import new_database

ONE_EPOCH = [*SMALL, "--epochs", "1"]
ID = re.compile(r"[0-9a-f]{32}\n")


class Shell:
    """The command `hit` in this process, in a folder with a store of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._monkeypatch = monkeypatch
        self._capfd = capfd
        monkeypatch.chdir(folder)
        for name in ("MLFLOW_RUN_ID", "MLFLOW_RUN_NAME", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", new_database(folder / "store.db"))
        monkeypatch.setenv("HIT_STATE_DIR", str(folder / "state"))
        monkeypatch.setenv("PYTHONSAFEPATH", "1")

    def run(self, *words: str) -> tuple[str, str]:
        """Stdout and stderr, of the whole process."""
        self._capfd.readouterr()
        self._monkeypatch.setattr(sys, "argv", ["/usr/bin/hit", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self._capfd.readouterr()
        assert ended.value.code == 0, err
        return out, err


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stdout")
    new_database(folder / "store.db")
    return folder


@pytest.fixture
def shell(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Shell:
    return Shell(folder, monkeypatch, capfd)


def test_training_gives_the_id_of_its_run(shell: Shell) -> None:
    out, err = shell.run("train", *ONE_EPOCH)
    assert ID.fullmatch(out)
    assert "ELBO" in err
    again, err = shell.run("train", "--resume", out.strip())
    assert again == out
    assert err.endswith(f"run {out.strip()} is FINISHED: there is nothing left to do\n")


def test_a_classifier_gives_the_id_of_its_run(shell: Shell) -> None:
    out, err = shell.run("classify", "--epochs", "1")
    assert ID.fullmatch(out)
    assert "accuracy" in err


def test_a_surface_gives_the_id_of_its_run(shell: Shell) -> None:
    words = ["--epochs", "1", "--channels", "4", "--z_dims", "5", "--metrics", "core", "--workers", "1"]
    out, err = shell.run("surface", *words, "--grid_1", "1", "--grid_2", "1")
    assert ID.fullmatch(out)
    assert "over 1 cells" in err
    again, err = shell.run("surface", "--resume", out.strip())
    assert again == out
    assert "nothing left to do" in err


def test_a_sweep_gives_the_id_of_its_run(shell: Shell) -> None:
    words = [*ONE_EPOCH, "--grid_1", "1", "--grid_2", "1", "--launcher", "inline", "--experiment", "sweep"]
    out, err = shell.run("sweep", *words)
    assert ID.fullmatch(out)
    assert "sweep: 1 of 1 cells are finished, 1 run was started now; nothing is left to propose\n" in err


def test_the_whole_story_gives_its_report(shell: Shell) -> None:
    """And what it says; it used to say on stdout, too, where the charts are."""
    words = [*ONE_EPOCH, "--grid_1", "1", "--grid_2", "1", "--launcher", "inline", "--experiment", "story"]
    out, err = shell.run("main", *words)
    *advice, page = out.splitlines()
    assert page == f"report: {shell.folder / 'report.html'}"
    assert any(line.startswith("  reconstruction: target R_1") for line in advice)
    assert "charts" in err
    assert "charts" not in out


def test_evaluating_gives_nothing(shell: Shell) -> None:
    shell.run("train", *ONE_EPOCH, "--experiment", "evaluated")
    out, err = shell.run("evaluate", "--experiment", "evaluated", "--metrics", "core", "--workers", "1")
    assert out == ""
    assert err


def test_a_report_gives_what_was_asked_and_its_page(shell: Shell) -> None:
    shell.run("train", *ONE_EPOCH, "--experiment", "reported")
    out, _ = shell.run("report", "--experiment", "reported", "--output", "page.html")
    *advice, page = out.splitlines()
    assert page == f"report: {shell.folder / 'page.html'}"
    assert advice
    assert not [line for line in advice if not line.strip()]


def test_recovering_lists_runs_and_nothing_else(shell: Shell) -> None:
    out, err = shell.run("recover")
    assert out == ""
    assert err.endswith(f"0 runs in {shell.folder / 'state'} that a store lacks something of\n")
