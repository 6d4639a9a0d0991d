"""The console script `hit`: every command under one name, whatever lies in the working directory."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from hit.console import COMMANDS, main, refuse_others
from hit.errors import ConfigError
from tests.commands import Commands

#: As the script that pip installs begins: the working directory is not on Python's path.
SCRIPT = "import sys; sys.path.remove(''); sys.argv[0] = '/usr/bin/hit'; from hit.console import main; main()"


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    monkeypatch.setattr(sys, "argv", ["/usr/bin/hit", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err


def test_the_help_has_a_line_for_each_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(monkeypatch, capsys, "--help")
    assert (code, err) == (0, "")
    for name, command in COMMANDS.items():
        (line,) = [line for line in out.splitlines() if line.startswith(f"  {name} ")]
        assert line.endswith(command.does)
    assert said(monkeypatch, capsys) == (2, "", out), "nothing was asked for"


def test_an_unknown_command_gets_the_nearest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(monkeypatch, capsys, "trian") == (2, "", "error: unknown command 'trian'; did you mean 'train'?\n")


def test_a_command_takes_its_options_and_says_its_mistakes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(monkeypatch, capsys, "train", "--model", "gvae")
    assert (code, out) == (2, "")
    assert err.startswith("error: model must be one of")
    code, out, _ = said(monkeypatch, capsys, "classifier", "--help")
    assert (code, out.partition("[")[0]) == (0, "usage: hit classify "), "the MLproject's name is known, too"


def test_what_is_no_option_is_told_as_such(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(monkeypatch, capsys, "train", "extra") == (2, "", "error: options must begin with --, got 'extra'\n")


def test_an_option_of_no_layer_is_unknown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--beta__", "--target_rate__", "--max_rate__"):
        code, _, err = said(monkeypatch, capsys, "train", option, "1")
        assert (code, err.startswith(f"error: unknown option '{option}'")) == (2, True)


class TestOtherPackages:
    """The working directory has a program of the user's that is called like a package of ours."""

    def run(self, commands: Commands, words: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *words],
            cwd=commands.folder,
            env=commands.environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def test_the_console_script_does_not_look_there(self, tmp_path: Path) -> None:
        """Nor do its workers: a sweep of one model in a pool."""
        commands = Commands(tmp_path)
        for name in ("analysis", "sweeps", "statistics"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "__init__.py").write_text(f"raise RuntimeError('the {name} of the user')\n")
        small = ["--channels", "4", "--z_dims", "5", "--metrics", "core", "--epochs", "1"]
        words = ["sweep", *small, "--grid_1", "1", "--grid_2", "1", "--workers", "1"]
        result = self.run(commands, ["-c", SCRIPT, *words])
        assert result.returncode == 0, result.stderr
        run = commands.client.get_run(result.stdout.split()[-1])
        assert run.data.tags["mlflow.source.name"] == "hit sweep"

    def test_python_says_in_one_line_what_is_in_its_way(self, tmp_path: Path) -> None:
        (tmp_path / "analysis.py").write_text("")
        result = self.run(Commands(tmp_path), ["-m", "sweeps", "--budget", "1"])
        assert (result.returncode, result.stdout) == (2, "")
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"error: package 'analysis' must be that of HIT, got {tmp_path}/analysis.py, which")
        assert "go on with `hit sweep`, which takes the same options" in line

    def test_a_package_without_a_file_is_told_too(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        theirs = ModuleType("sweeps")
        theirs.__path__ = [str(tmp_path / "sweeps")]
        monkeypatch.setitem(sys.modules, "sweeps", theirs)
        with pytest.raises(ConfigError, match=f"package 'sweeps' must be that of HIT, got {tmp_path}/sweeps, which"):
            refuse_others()

    def test_ours_are_not_refused(self) -> None:
        import analysis
        import sweeps

        assert analysis.__path__
        assert sweeps.__path__
        refuse_others()
