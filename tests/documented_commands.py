"""The commands that the pages name, checked as far as that goes without running them."""

__all__ = ["arguments", "check", "is_command"]

import importlib
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import yaml

from hit.cli import CONFIG, Parser
from hit.commands import COMMANDS
from hit.config import TrainConfig
from hit.config.early_stopping import EarlyStopping
from hit.config.options import build
from hit.config.rates.beta_grid import parse_axis
from hit.extensions.discovery import temporary
from tests.commands import ROOT

#: Programs of the system, and what of ours has no options to check.
_SYSTEM = ("apt-get", "curl", "export", "git", "python3", "cd", ".", "ruff", "mypy", "cp", "ray")
_MODULES = {command.module: command.module for command in COMMANDS.values()}


def is_command(span: str) -> bool:
    """Whether a piece of code within a text is a whole command that `check` knows."""
    return (
        bool(re.match(r"(python -m|mlflow (run \.|ui|models)|make|hit|pip install|pytest) ", span)) and "…" not in span
    )


def check(line: str) -> None:
    """Raise unless a shell would find the command, and the command its options and their values.

    Raises:
        ConfigError: an option or its value is refused.
        AssertionError: anything else is wrong.
    """
    with temporary():
        for command in line.split(" && "):
            _check_one(command)


def arguments(line: str) -> tuple[str, list[str]]:
    """Module and options of a line that calls one command of ours, in whichever way."""
    program, *rest = shlex.split(line)
    if program == "hit":
        return COMMANDS[rest[0]].module, rest[1:]
    return _of_project(rest[1:]) if program == "mlflow" else (rest[1], rest[2:])


def _check_one(line: str) -> None:
    words = shlex.split(line)
    while re.fullmatch(r"[A-Z_]+=\S*", words[0]):  # variables before the command
        words = words[1:]
    program, *rest = words
    if program == "python" and rest[0] == "-m":
        _check_module(rest[1], rest[2:])
    elif program == "hit":
        _check_console(rest)
    elif program in _CHECKS:
        _CHECKS[program](rest)
    else:
        assert program in _SYSTEM, f"unknown command: {line}"


def _check_module(module: str, words: Sequence[str]) -> None:
    if module in _MODULES:
        _check_options(module, words)
    elif module == "pip":
        _check_pip(words)
    elif module != "venv":
        assert importlib.util.find_spec(module) is not None, f"no module {module}"
        if (path := ROOT.joinpath(*module.split(".")).with_suffix(".py")).exists():
            for option in (word for word in words if word.startswith("--")):
                assert f'"{option}"' in path.read_text(), f"{module} has no option {option}"


def _check_console(words: Sequence[str]) -> None:
    if words[0] not in ("--help", "--version"):
        _check_options(COMMANDS[words[0]].module, words[1:])


def _check_mlflow(words: Sequence[str]) -> None:
    if words[0] == "run":
        _check_options(*_of_project(words[1:]))
        return

    from mlflow.cli import cli

    command: Any = cli
    while words and (inner := getattr(command, "commands", {}).get(words[0])):
        command, words = inner, words[1:]
    command.make_context("mlflow", list(words), resilient_parsing=True)


def _of_project(words: Sequence[str]) -> tuple[str, list[str]]:
    """Module and options of what follows `mlflow run`."""
    assert words[0] == "."
    options: dict[str, str] = {}
    parameters: list[str] = []
    rest = list(words[1:])
    while rest:
        name, value = rest.pop(0), rest.pop(0)
        if name == "-P":
            parameter, equals, text = value.partition("=")
            assert equals, value
            parameters += [f"--{parameter}", text]
        else:
            options[name] = value
    assert {*options} <= {"-e", "--env-manager", "--experiment-name", "--run-name"}, options
    assert options.get("--env-manager") in ("local", "virtualenv", "uv", "conda"), options
    return _entry_points()[options.get("-e", "main")], parameters


def _check_make(words: Sequence[str]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for word in words:
        name, equals, _ = word.partition("=")
        assert re.search(rf"^{name} \?=" if equals else rf"^{name}:", makefile, re.M), f"the Makefile has no {name}"


def _check_pip(words: Sequence[str]) -> None:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert words[:2] == ["install", "-e"], "our packages are installed from here: no index has them"
    for extras in re.findall(r"\[(.*)\]", words[2]):
        assert {*extras.split(",")} <= {*package["optional-dependencies"]}, extras


def _check_pytest(words: Sequence[str]) -> None:
    for word in words:
        if "/" in word:
            assert (ROOT / word.partition("::")[0]).exists(), word


_CHECKS: dict[str, Callable[[Sequence[str]], None]] = {
    "mlflow": _check_mlflow,
    "make": _check_make,
    "pip": _check_pip,
    "pytest": _check_pytest,
}


def _check_options(module: str, words: Sequence[str]) -> None:
    """The options of one of our commands, and their values as far as they are checked before data and store."""
    if "--help" in words:
        return
    parser = _parser(module)
    parsed = parser.parse([str(word) for word in words])
    if module in ("sweeps", "sweeps.main"):
        from sweeps.spec.request import SweepRequest

        SweepRequest.parse(parsed)
    for title, options in parser.sources.items():
        build(options, parsed[title])
    config = TrainConfig.from_flat(parsed[CONFIG]) if CONFIG in parsed else TrainConfig()
    for values in parsed.values():
        if "early_stopping" in values:
            EarlyStopping.parse(values["early_stopping"], config.layers, region="rate=:60")
        for name, text in values.items():
            if name.startswith("grid_"):
                parse_axis(name, text)
        if "application" in values:
            from analysis.recommendation.applications import applications

            applications(values["application"], values.get("constraints", ""))


def _parser(module: str) -> Parser:
    home = importlib.import_module(module if "." in module else f"{module}.__main__")
    parser: Parser = home.parser()
    return parser


@cache
def _entry_points() -> dict[str, str]:
    """Entry point → module."""
    declared = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]
    return {name: re.findall(r"-m ([\w.]+)", entry["command"])[0] for name, entry in declared.items()}
