"""The console script `hit`: every command under one name, whatever lies in the working directory."""

import ast
import importlib.util
import re
import runpy
import subprocess
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

import hit
from analysis.suggested_commands import train_commands
from hit.cli.console import main
from hit.cli.shadowing import refuse_others
from hit.commands import COMMANDS, program
from hit.errors import ConfigError
from hit.processes.attempts import Job
from hit.processes.pool import WorkerPool
from tests.commands import PATIENCE_SECONDS, ROOT, Commands

#: As the script that pip installs begins: the working directory is not on Python's path.
SCRIPT = "import sys; sys.path.remove(''); sys.argv[0] = '/usr/bin/hit'; from hit.cli.console import main; main()"


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
    code, out, _ = said(monkeypatch, capsys, "main", "--help")
    assert (code, out.partition("[")[0]) == (0, "usage: hit demo ")


def test_what_is_no_option_is_told_as_such(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(monkeypatch, capsys, "train", "extra") == (2, "", "error: options must begin with --, got 'extra'\n")


def test_an_option_of_no_layer_is_unknown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--beta__", "--target_rate__", "--max_rate__"):
        code, _, err = said(monkeypatch, capsys, "train", option, "1")
        assert (code, err.startswith(f"error: unknown option '{option}'")) == (2, True)


def test_the_version_is_that_of_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(monkeypatch, capsys, "--version") == (0, f"hit {hit.__version__}\n", "")


def test_neither_a_help_nor_a_missing_data_set_waits_for_anything_heavy() -> None:
    """`hit --help` takes a fifth of a second."""
    script = (
        "import sys; sys.argv = ['/usr/bin/hit', {words}]\n"
        "from hit.cli.console import main\n"
        "try: main()\n"
        "except SystemExit: print(*{{'torch', 'mlflow', 'numpy', 'pandas', 'joblib', 'psutil'}} & set(sys.modules))\n"
    )
    missing = "'train', '--dataset', './nosuch.npz'"
    for words in ("'--help'", "'--version'", "'train', '--help'", "'recover', '--help'", missing):
        command = [sys.executable, "-c", script.format(words=words)]
        result = subprocess.run(command, capture_output=True, text=True, check=True)
        assert result.stdout.splitlines()[-1] == "", result.stdout


class TestTwins:
    """`hit NAME` and `python -m MODULE` are one command."""

    def twins(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, *words: str
    ) -> tuple[tuple[int, str, str], tuple[int, str, str]]:
        module = COMMANDS[name].module
        monkeypatch.setattr(sys, "argv", ["python -m", *words])
        with pytest.raises(SystemExit) as ended, warnings.catch_warnings(action="ignore", category=RuntimeWarning):
            runpy.run_module(module, run_name="__main__", alter_sys=True)  # a warning: it is imported already
        told = capsys.readouterr()
        return (int(ended.value.code or 0), told.out, told.err), said(monkeypatch, capsys, name, *words)

    @pytest.mark.parametrize("name", COMMANDS)
    def test_their_helps_are_equal(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
    ) -> None:
        module = COMMANDS[name].module
        (code, out, err), twin = self.twins(monkeypatch, capsys, name, "--help")
        assert (code, err) == (0, "")
        assert out.startswith(f"usage: python -m {module} ")
        words = out.replace(f"python -m {module} ", f"hit {name} ", 1).split()
        assert (twin[0], twin[1].split(), twin[2]) == (0, words, ""), "but for the program's name"

    @pytest.mark.parametrize("name", COMMANDS)
    def test_they_refuse_alike(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
    ) -> None:
        one, other = self.twins(monkeypatch, capsys, name, "--state_dri", "x")
        assert one == other
        assert one[0] == 2
        assert one[2].startswith("error: unknown option '--state_dri'; did you mean 'state_dir'?")

    @pytest.mark.parametrize("name", COMMANDS)
    def test_their_runs_are_of_one_kind(self, name: str) -> None:
        module = COMMANDS[name].module
        source = importlib.util.find_spec(module if "." in module else f"{module}.__main__")
        assert source is not None
        assert source.origin is not None
        assert f"entry_point(main, Kind.{COMMANDS[name].kind.name})" in Path(source.origin).read_text()


class TestAdvice:
    """It names a command as the person calls it who reads it."""

    def test_of_the_console_script(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", ["hit evaluate", "--workers", "2"])
        assert [program(module) for module in ("hit.classify", "sweeps", "sweeps.main", "hit.import_runs")] == [
            "hit classify",
            "hit sweep",
            "hit demo",
            "hit import",
        ]

    @pytest.mark.parametrize("called", ["/home/me/hit/train.py", "ipykernel_launcher.py", ""])
    def test_of_python(self, monkeypatch: pytest.MonkeyPatch, called: str) -> None:
        monkeypatch.setattr(sys, "argv", [called])
        assert program("hit.recover") == "python -m hit.recover"
        assert train_commands() == "make one by `python -m hit.train`, many by `python -m sweeps`"

    @pytest.mark.parametrize("package", ["hit", "sweeps", "analysis"])
    def test_no_message_spells_it_out(self, package: str) -> None:
        for path in (ROOT / package).rglob("*.py"):
            nodes = list(ast.walk(ast.parse(path.read_text())))
            docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
            for node in nodes:
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                    assert not re.search(r"python -m (hit|sweeps|analysis)\b", node.value), (path, node.lineno)
                    assert "pip install 'hit" not in node.value, (path, node.lineno, "a stranger's package")

    def test_a_pools_processes_say_the_same(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", ["hit sweep"])
        with WorkerPool(1, 1) as pool:
            pool.submit(Job("one", _advice, {}))
            said: list[str] = []
            while not said:
                said = [outcome.text for outcome in pool.outcomes(1.0)]
        assert said == ["hit recover"]


def _advice(*, stop: object, tell: object) -> str:
    return program("hit.recover")


class TestOtherPackages:
    """The working directory has a program of the user's that is called like a package of ours."""

    def run(self, commands: Commands, words: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, *words],
            cwd=commands.folder,
            env=commands.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
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
