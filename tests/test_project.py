"""The files at the root say what the code says."""

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from setuptools import find_packages

from hit.commands import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
PROJECT = yaml.safe_load((ROOT / "MLproject").read_text())
ENTRY_POINTS: dict[str, Any] = PROJECT["entry_points"]
PACKAGE = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_entry_points_are_those_of_the_design() -> None:
    expected = [
        "main",
        "train",
        "evaluate",
        "classifier",
        "surface",
        "sweep",
        "report",
        "import",
        "compress",
        "decompress",
        "recover",
    ]
    assert list(ENTRY_POINTS) == expected


@pytest.mark.parametrize("name", ENTRY_POINTS)
class TestEntryPoint:
    def test_defaults_are_the_codes(self, name: str) -> None:
        words = ENTRY_POINTS[name]["command"].split()
        module = words[words.index("-m") + 1]
        in_code = importlib.import_module(f"{module}.__main__" if "." not in module else module).parser().defaults()
        for key, declared in ENTRY_POINTS[name]["parameters"].items():
            value = in_code[key]
            expected = str(value).lower() if isinstance(value, bool) else value
            assert declared["default"] == expected, key
            assert type(declared["default"]) is type(expected), key

    def test_types_are_declared(self, name: str) -> None:
        for key, value in ENTRY_POINTS[name]["parameters"].items():
            assert value["type"] == ("string" if isinstance(value["default"], str) else "float"), key

    def test_the_command_hands_on_every_parameter(self, name: str) -> None:
        handed = re.findall(r"--(\w+) \{(\w+)\}", ENTRY_POINTS[name]["command"])
        assert all(option == parameter for option, parameter in handed)
        assert [option for option, _ in handed] == list(ENTRY_POINTS[name]["parameters"])

    def test_nothing_is_declared_that_some_models_have_not(self, name: str) -> None:
        """MLflow hands on every default that is declared: that of a second layer to models of one, too."""
        layered = [key for key in ENTRY_POINTS[name]["parameters"] if re.search(r"_[0-9]+$", key)]
        assert set(layered) <= {"beta_1"}


def test_the_project_declares_what_people_reach_for_first() -> None:
    assert len((ROOT / "MLproject").read_text().splitlines()) <= 110
    assert max(len(declared["parameters"]) for declared in ENTRY_POINTS.values()) <= 8


def test_the_console_script_has_every_entry_point() -> None:
    module, _, name = PACKAGE["scripts"]["hit"].partition(":")
    console = importlib.import_module(module)
    assert callable(getattr(console, name))
    modules = {re.findall(r"-m ([\w.]+)", declared["command"])[0] for declared in ENTRY_POINTS.values()}
    assert {command.module for command in COMMANDS.values()} == modules


def test_conda_installs_what_the_package_needs() -> None:
    environment = yaml.safe_load((ROOT / "conda.yaml").read_text())
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip == PACKAGE["dependencies"]


def test_every_package_is_installed() -> None:
    include = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for top in ("hit", "sweeps", "analysis")
        for path in (ROOT / top).rglob("__init__.py")
    }
    assert {*find_packages(str(ROOT), include=include)} == found


def test_no_import_runs_back_up() -> None:
    """The layers are declared in pyproject.toml, which says of each package what it may import."""
    linter = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    said = subprocess.run(linter, cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout


@pytest.mark.parametrize("top", ["hit", "sweeps", "analysis"])
def test_packages_and_modules_stay_small(top: str) -> None:
    for package in {path.parent for path in (ROOT / top).rglob("*.py")}:
        modules = [path for path in package.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= 14, package
        for path in modules:
            assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, path


def test_the_science_knows_nothing_of_mlflow() -> None:
    """Models can be built, trained and measured where MLflow is not installed."""
    script = (
        "import sys; sys.modules['mlflow'] = None\n"
        "import hit.data, hit.models, hit.metrics, hit.evaluation, hit.training\n"
        "import hit.classifiers.networks, hit.classifiers.augmentation, hit.classifiers.training\n"
        "import hit.classifiers.scorer, hit.evaluation.samples, hit.metrics.inception\n"
        "from hit.config import TrainConfig\n"
        "config = TrainConfig(channels=4, z_dims=(5,), epochs=1, batch_size=500)\n"
        "digits = hit.data.load('digits')\n"
        "model = hit.models.build_model(config, digits.image_shape)\n"
        "fitted = hit.training.fit(model, digits.train, config)\n"
        "assert hit.evaluation.evaluate_model(model, digits, fitted.betas).metrics['test/rate'] > 0\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
