"""Every path that a user names is made absolute by one rule; what the system refuses is told as such."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.figures.save import save
from hit import data
from hit.config import TrainConfig
from hit.config.options import output_file
from hit.config.paths import given_path
from hit.delivery.local_state import state_folder
from hit.errors import ConfigError
from hit.research_code.importer import find_runs
from sweeps.launchers.launcher import Training
from tests.unreadable import unreadable


def placed(**paths: str) -> TrainConfig:
    return Training("identity", TrainConfig.from_flat(paths), "run", "hit", "sweep", "uri").placed().config


#: Where paths come in → what takes them.
USERS: dict[str, Callable[[str], object]] = {
    "state_dir": lambda path: state_folder(TrainConfig.from_flat({"state_dir": path})),
    "data_root": lambda path: data.load("digits", path),
    "dataset": lambda path: data.load(f"{path}/images.npz"),
    "path": find_runs,
    "output": lambda path: output_file(f"{path}/report.html"),
    "figure": lambda path: save(None, f"{path}/figure.html"),
    "placed data_root": lambda path: placed(data_root=path),
    "placed dataset": lambda path: placed(dataset=path),
}


@pytest.mark.parametrize("user", USERS)
class TestOnePath:
    def test_a_home_of_nobody(self, user: str) -> None:
        with pytest.raises(ConfigError, match=r"must begin with ~/ or .* got '~nosuchuser/x"):
            USERS[user]("~nosuchuser/x")

    def test_a_name_that_no_file_has(self, user: str) -> None:
        for name in ("a" * 300, "/nowhere/at/all/" + "a" * 300):
            with pytest.raises(ConfigError, match=r"must be a path that can be reached.*File name too long"):
                USERS[user](name)

    def test_below_a_folder_that_may_not_be_entered(self, user: str, tmp_path: Path) -> None:
        with unreadable(tmp_path / "closed") as folder, pytest.raises(ConfigError, match=r"can be reached.*Permission"):
            USERS[user](str(folder / "below"))

    def test_text_that_is_no_path(self, user: str) -> None:
        with pytest.raises(ConfigError, match=r"can be reached.*null|without the character NUL"):
            USERS[user]("a\0b/c")

    def test_the_working_directory_is_gone(self, user: str, tmp_path: Path) -> None:
        before = os.open(".", os.O_RDONLY)
        gone = tmp_path / "gone"
        gone.mkdir()
        os.chdir(gone)
        try:
            gone.rmdir()
            with pytest.raises(ConfigError, match="must be an absolute path where the working directory is gone"):
                USERS[user]("below/it")
        finally:
            os.fchdir(before)
            os.close(before)


@pytest.mark.parametrize("variable", ["HIT_STATE_DIR", "HIT_DATA"])
def test_the_environment_is_no_other(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "~nosuchuser/x")
    with pytest.raises(ConfigError, match="must begin with ~/"):
        state_folder(TrainConfig()) if variable == "HIT_STATE_DIR" else data.load("digits")


def test_what_is_not_there_yet_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert given_path("state_dir", "a/b") == tmp_path / "a" / "b"
    assert given_path("state_dir", "file/below") == tmp_path / "file" / "below", "for others to refuse"
    assert given_path("state_dir", "~") == Path.home()
    assert given_path("state_dir", "a" * 255).name == "a" * 255


def test_a_report_into_a_folder_that_takes_none(tmp_path: Path) -> None:
    with unreadable(tmp_path / "closed") as folder, pytest.raises(ConfigError, match="output must"):
        output_file(str(folder / "report.html"))
    if Path("/proc/self").is_dir():  # root may write anywhere, and here is no place to
        with pytest.raises(ConfigError, match="output must lie in an existing folder that can be written to"):
            output_file("/proc/self/report.html")
