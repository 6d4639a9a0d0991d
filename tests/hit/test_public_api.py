"""`import hit`: what a notebook needs, lazily."""

import importlib
import subprocess
import sys
import tomllib
from typing import Any

import pytest
import yaml

import hit
from tests.commands import ROOT


def _python(script: str) -> str:
    command = [sys.executable, "-c", script]
    return subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout


def test_importing_it_loads_nothing_heavy() -> None:
    script = "import sys, hit; print(sorted({'torch', 'mlflow', 'pandas', 'numpy', 'pydantic'} & {*sys.modules}))"
    assert _python(script) == "[]\n"


def test_a_model_needs_no_mlflow() -> None:
    names = sorted({*hit.__all__} - {"Store", "codec"})  # these read a store, or its registry
    script = f"import sys, hit; sys.modules['mlflow'] = None; print([bool(getattr(hit, name)) for name in {names!r}])"
    assert _python(script) == f"{[True] * len(names)}\n"


@pytest.mark.parametrize("name", hit.__all__)
def test_every_name_is_there_and_listed(name: str) -> None:
    namespace: dict[str, Any] = {}
    exec(f"from hit import {name}", namespace)
    assert namespace[name] is getattr(hit, name)
    assert name in dir(hit)


def test_modules_are_imported_by_the_same_words() -> None:
    for name in ("schema", "processes", "data", "config", "train", "surface", "evaluate"):
        namespace: dict[str, Any] = {}
        exec(f"from hit import {name}", namespace)
        assert namespace[name] is importlib.import_module(f"hit.{name}")


def test_another_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="'hit' has no attribute 'load_dat'"):
        _ = hit.load_dat
    with pytest.raises(ImportError):
        exec("from hit import load_dat")


def test_the_version_is_that_of_the_package_and_of_its_citation() -> None:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert hit.__version__ == package["version"] == citation["version"]
    assert f"\n## {hit.__version__} ({citation['date-released']})\n" in changes
