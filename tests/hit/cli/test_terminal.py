"""What is said on terminals that lack the field's letters."""

import io
import sys

import pytest

from hit.cli import entry_point
from hit.cli.console import main
from hit.commands import COMMANDS
from hit.errors import ConfigError
from hit.processes.setup import spare_letters
from hit.schema import Kind


def terminal(monkeypatch: pytest.MonkeyPatch, encoding: str, errors: str = "strict") -> io.BytesIO:
    """Stdout and stderr that take an encoding; what they were told."""
    told = io.BytesIO()
    for name in ("stdout", "stderr"):
        stream = io.TextIOWrapper(told, encoding=encoding, errors=errors, write_through=True)
        monkeypatch.setattr(sys, name, stream)
    return told


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_can_be_read(monkeypatch: pytest.MonkeyPatch, name: str, encoding: str) -> None:
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    monkeypatch.setattr(sys, "argv", ["/usr/bin/hit", name, "--help"])
    told = terminal(monkeypatch, encoding)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    assert told.getvalue().startswith(f"usage: hit {name} ".encode())


def test_a_mistake_is_still_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["hit"])
    told = terminal(monkeypatch, "cp1252")

    def wrong(argv: list[str], stop: object) -> None:
        raise ConfigError("grid_1 must be one value, where β_1 starts, got 'ü'")

    with pytest.raises(SystemExit) as ended:
        entry_point(wrong, Kind.TRAIN)
    assert (ended.value.code, told.getvalue()) == (
        2,
        b"error: grid_1 must be one value, where ?_1 starts, got '\xfc'\n",
    )


def test_names_that_are_no_text_go_through_where_they_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """As file names on a UTF-8 system that hold other bytes."""
    told = terminal(monkeypatch, "utf-8", "surrogateescape")
    spare_letters()
    print("σ=\udcfc")
    assert told.getvalue() == b"\xcf\x83=\xfc\n"
    told = terminal(monkeypatch, "utf-8")
    spare_letters()
    print("σ=\udcfc")
    assert told.getvalue() == b"\xcf\x83=?\n"
