"""The files at the root say what the code says."""

import importlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PROJECT = yaml.safe_load((ROOT / "MLproject").read_text())
ENTRY_POINTS: dict[str, Any] = PROJECT["entry_points"]
PACKAGE = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_entry_points_are_those_of_the_design() -> None:
    expected = ["main", "train", "evaluate", "classifier", "surface", "sweep", "report", "import", "recover"]
    assert list(ENTRY_POINTS) == expected


@pytest.mark.parametrize("name", ENTRY_POINTS)
class TestEntryPoint:
    def test_defaults_are_the_codes(self, name: str) -> None:
        words = ENTRY_POINTS[name]["command"].split()
        module = words[words.index("-m") + 1]
        in_code = importlib.import_module(f"{module}.__main__" if "." not in module else module).parser().defaults()
        declared = {key: value["default"] for key, value in ENTRY_POINTS[name]["parameters"].items()}
        assert set(declared) == set(in_code)
        for key, value in in_code.items():
            expected = str(value).lower() if isinstance(value, bool) else value
            assert declared[key] == expected, key
            assert type(declared[key]) is type(expected), key

    def test_types_are_declared(self, name: str) -> None:
        for key, value in ENTRY_POINTS[name]["parameters"].items():
            assert value["type"] == ("string" if isinstance(value["default"], str) else "float"), key

    def test_the_command_hands_on_every_parameter(self, name: str) -> None:
        handed = re.findall(r"--(\w+) \{(\w+)\}", ENTRY_POINTS[name]["command"])
        assert all(option == parameter for option, parameter in handed)
        assert {option for option, _ in handed} == set(ENTRY_POINTS[name]["parameters"])


def test_the_console_script_has_every_entry_point() -> None:
    module, _, name = PACKAGE["scripts"]["hit"].partition(":")
    console = importlib.import_module(module)
    assert callable(getattr(console, name))
    modules = {re.findall(r"-m ([\w.]+)", declared["command"])[0] for declared in ENTRY_POINTS.values()}
    assert {command.module for command in console.COMMANDS.values()} == modules


def test_conda_installs_what_the_package_needs() -> None:
    environment = yaml.safe_load((ROOT / "conda.yaml").read_text())
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip == PACKAGE["dependencies"]


def test_every_package_is_listed() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for top in ("hit", "sweeps", "analysis")
        for path in (ROOT / top).rglob("__init__.py")
    }
    assert set(listed) == found


@pytest.mark.parametrize(("package", "forbidden"), [("hit", {"sweeps", "analysis"}), ("analysis", {"sweeps"})])
def test_imports_point_one_way(package: str, forbidden: set[str]) -> None:
    for path in (ROOT / package).rglob("*.py"):
        imported = re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), re.M)
        assert not forbidden & set(imported), path


def test_the_science_knows_nothing_of_mlflow() -> None:
    """Models can be built, trained and measured where MLflow is not installed."""
    import subprocess
    import sys

    script = (
        "import sys; sys.modules['mlflow'] = None\n"
        "import hit.data, hit.models, hit.metrics, hit.evaluation, hit.training, hit.surfaces.training\n"
        "import hit.backbones, hit.augmentation, hit.classifier, hit.judge, hit.generation, hit.metrics.inception\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
