"""Extensions are found by path, by module and among installed packages; what is wrong with one is one line."""

import importlib.metadata
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import hit.train
from hit.config import TrainConfig
from hit.config.parts import MODELS
from hit.errors import ConfigError
from hit.extensions import Source, discovery, load_extensions
from hit.extensions.discovery import temporary
from hit.extensions.source import source_files
from hit.processes.stop import StopRequest

REGISTERS = """
from hit.config.parts import MODELS

@MODELS.register({name!r}, layers=1)
def build(image_shape, likelihood, options, config):
    return None
"""
Written = Callable[..., Path]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No extension is known before, and none afterwards."""
    monkeypatch.setenv(discovery.VARIABLE, "")
    monkeypatch.setattr(discovery, "_LOADED", {})
    monkeypatch.setattr(discovery, "_SEEN", set())
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    with temporary():
        yield


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(name: str, text: str = "", **fields: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text or REGISTERS.format(name=fields["model"]))
        return path

    return write


def test_a_file_is_loaded_once_and_handed_on(written: Written) -> None:
    path = written("mine.py", model="mine")
    load_extensions(str(path))
    load_extensions(str(path))
    assert os.environ[discovery.VARIABLE] == str(path)
    source = MODELS.source("mine")
    assert source == Source.of_files("mine.py", path)
    assert [one.name for one in discovery.loaded()] == ["mine.py"]


def test_a_process_that_only_has_the_variable_finds_what_it_looks_for(
    written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(discovery.VARIABLE, str(written("mine.py", model="mine")))
    assert TrainConfig(model="mine").layers == 1


def test_a_module_of_the_working_directory(written: Written, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    written("own_package/__init__.py", "WIDTH = 3\n")
    written("own_package/networks.py", "DEPTH = 3\n")
    parts = written(
        "own_package/parts.py", "from own_package.networks import DEPTH\n" + REGISTERS.format(name="packaged")
    )
    monkeypatch.chdir(tmp_path)
    load_extensions("own_package.parts")
    source = MODELS.source("packaged")
    assert source is not None
    assert source.name == "own_package.parts"
    assert os.environ[discovery.VARIABLE] == str(parts), "found from any folder"
    assert [path.name for path in source_files(parts)] == ["parts.py", "__init__.py", "networks.py"]
    written("own_package/networks.py", "DEPTH = 4\n")
    assert Source.of_files("own_package.parts", parts).digest != source.digest, "what it imports decides, too"


def test_one_extension_may_import_another(written: Written) -> None:
    first = written("first_part.py", model="first")
    second = written("second_part.py", "import first_part\n" + REGISTERS.format(name="second"))
    load_extensions(f"{second},{first}")
    assert {"first", "second"} <= set(MODELS.names())


def test_an_installed_package(written: Written, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    written("installed_part.py", model="installed")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    point = importlib.metadata.EntryPoint("any", "installed_part", discovery.GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point] if group == discovery.GROUP else [])
    assert TrainConfig(model="installed").model_part.name == "installed"
    source = MODELS.source("installed")
    assert source is not None
    assert source.name == "installed_part"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import no_such_module_at_all\n", "must be files or modules that import, got .*ModuleNotFoundError: .*line 1"),
        ("x = 1\ny = 1 / 0\n", r"got .*bad.py': ZeroDivisionError: division by zero \(line 2\)"),
        ("def f(:\n", "got .*bad.py': SyntaxError: "),
        ("raise SystemExit(0)\n", "got .*bad.py': SystemExit: 0"),
        (
            REGISTERS.format(name="ghvae"),
            "extension bad.py: model 'ghvae' must be registered once: bad.py registers what hit has registered",
        ),
        (
            REGISTERS.format(name="twice") * 2,
            "model 'twice' must be registered once: bad.py registers what bad.py has registered",
        ),
        (REGISTERS.format(name="a b"), "extension bad.py: model must be registered under letters, digits and _"),
        (
            "from pydantic.dataclasses import dataclass\nfrom hit.config.parts import MODELS\n"
            "@dataclass(frozen=True)\nclass Options:\n    channels: int = 3\n"
            "MODELS.register('mine', print, options=Options)\n",
            "extension bad.py: option 'channels' of model 'mine' must have a name of its own: every config has",
        ),
        (
            "from hit.schema.metrics import EXTENSION_METRICS\nEXTENSION_METRICS.register('test/psnr', print)\n",
            "extension bad.py: metric 'test/psnr' must have a name of its own, and hit declares it",
        ),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_of_it_is_kept(written: Written, text: str, said: str) -> None:
    path = written("bad.py", REGISTERS.format(name="half") + text if "registered" not in said else text)
    before = MODELS.names()
    with pytest.raises(ConfigError, match=said.replace("line 1", "line").replace(r"\(line 2\)", "")) as caught:
        hit.train.main(["--extensions", str(path)], StopRequest())
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    assert MODELS.names() == before


@pytest.mark.parametrize(
    "name",
    [
        "no/such/file.py",
        "no_such_module",
        "no_such.module",
        "folder.txt/x",
        "~nobody/x.py",
        "..",
        "a b",
        "x" * 999 + ".py",
    ],
)
def test_what_is_not_there(name: str) -> None:
    with pytest.raises(ConfigError, match="extensions must be Python files or modules that are there, got"):
        load_extensions(name)
    assert os.environ[discovery.VARIABLE] == "", "a later command is not refused for it"


def test_help_and_errors_name_what_it_registers(written: Written, capsys: pytest.CaptureFixture[str]) -> None:
    path = written("mine.py", model="mine")
    with pytest.raises(SystemExit):
        hit.train.main(["--help", "--extensions", str(path)], StopRequest())
    assert "of extensions: mine" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(ConfigError, match="got 'mime'; did you mean 'mine'"):
        hit.train.main(["--model", "mime"], StopRequest())


def test_parts_of_a_notebook_are_told_by_their_text() -> None:
    space: dict[str, object] = {"__name__": "a_cell"}
    exec(REGISTERS.format(name="typed"), space)
    first = MODELS.source("typed")
    exec(REGISTERS.format(name="typed"), space)
    assert first is not None
    assert len(first.digest) == 16
    assert MODELS.source("typed") == first
