"""The reference pages say what the code says."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.make_reference import METRICS, PARAMETERS, metrics_page, parameters_page
from hit.config import flat_defaults
from hit.schema import Tag, layer_metrics
from tests.commands import ROOT

REFERENCE = ROOT / "docs" / "reference"
ENTRY_POINTS: dict[str, Any] = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]
#: Sections of the parameters that each entry point takes, by its row in the table at the top of the page.
_SECTION = re.compile(r"^## (.*?)\n(.*?)(?=^## |\Z)", re.S | re.M)


@pytest.mark.parametrize(("path", "made"), [(PARAMETERS, parameters_page), (METRICS, metrics_page)])
def test_the_page_is_current(path: Path, made: Callable[[], str]) -> None:
    same = path.read_text(encoding="utf-8") == made()
    assert same, f"{path.name} is of earlier declarations: run `python -m docs.make_reference`"


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_every_parameter_of_the_mlproject_is_in_the_reference_with_its_default(name: str) -> None:
    page = PARAMETERS.read_text(encoding="utf-8")
    row = re.findall(rf"^\| `{name}` \|.*$", page, re.M)[0]
    titles = re.findall(r"\[([^]]+)\]\(#", row)
    lines: dict[str, str] = {}
    for title, text in _SECTION.findall(page):
        if title in titles:
            for line in text.splitlines():
                if (match := re.match(r"\| `(\w+)` \|", line)) and _takes(line, text, name):
                    lines[match[1]] = line
    for parameter, declared in ENTRY_POINTS[name]["parameters"].items():
        default = re.split(r"(?<!\\)\|", lines[parameter])[3].strip()
        shown = re.search(rf"`{name}`[^:;]*: `([^`]*)`", default) or re.match(r"`([^`]*)`|()", default)
        assert shown is not None, (parameter, default)
        value = shown[1] or ""
        if isinstance(declared["default"], str):
            assert value == declared["default"], parameter
        else:
            assert float(value) == float(declared["default"]), parameter


def _takes(line: str, section: str, name: str) -> bool:
    takers = re.split(r"(?<!\\)\|", line)[5].strip() if "taken by |" in section else "all"
    return takers == "all" or f"`{name}`" in takers


def test_every_parameter_of_a_model_is_there() -> None:
    page = PARAMETERS.read_text(encoding="utf-8")
    for name in flat_defaults():
        assert f"| `{name}` |" in page, name


def test_every_metric_is_there_once() -> None:
    named = re.findall(r"^\| `([^`]+)` \|", METRICS.read_text(encoding="utf-8"), re.M)
    assert len(named) == len({*named}) == len(layer_metrics(1))
    assert {name for name in named if not re.search(r"(z|_)l(_|\Z)", name)} == {one.name for one in layer_metrics(0)}


def test_what_a_run_holds_names_every_tag() -> None:
    page = (REFERENCE / "run.md").read_text(encoding="utf-8")
    for tag in Tag:
        assert f"`{tag}" in page, f"{tag} is to be explained in docs/reference/run.md"


def test_the_environment_names_every_variable_of_ours() -> None:
    page = (REFERENCE / "environment.md").read_text(encoding="utf-8")
    sources = [path.read_text() for top in ("hit", "sweeps", "analysis") for path in (ROOT / top).rglob("*.py")]
    for name in {name for text in sources for name in re.findall(r"\bHIT_[A-Z][A-Z_]*[A-Z]\b", text)}:
        assert f"`{name}`" in page, f"{name} is to be explained in docs/reference/environment.md"


def test_the_drivers_page_names_every_driver_and_what_they_choose_by() -> None:
    page = (REFERENCE / "drivers.md").read_text(encoding="utf-8")
    (section,) = [
        text for title, text in _SECTION.findall(PARAMETERS.read_text()) if title == "What a driver chooses by"
    ]
    names = re.findall(r"^\| `(\w+)` \|", section, re.M)
    assert "region" in names
    for name in [*names, "grid", "coverage", "bayes"]:
        assert f"| `{name}` |" in page, name


def test_the_launchers_page_names_every_launcher() -> None:
    page = (ROOT / "docs" / "how-to" / "launchers.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^\| `launcher` \| ([^|]*) \|", PARAMETERS.read_text(), re.M)
    for name in re.findall(r"`(\w+)`", line):
        assert f"| `{name}` |" in page, name
