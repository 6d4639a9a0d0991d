"""Where a run says that it comes from."""

import getpass
import sys

import pytest

from hit.schema import Tag
from hit.tracking.provenance import source_tags

VARIABLES = ("LOGNAME", "USER", "LNAME", "USERNAME")


def test_the_user_is_known_without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container, or under cron."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert source_tags()[Tag.USER] not in ("", "unknown")
    monkeypatch.setenv("USER", "someone")
    assert source_tags()[Tag.USER] == "someone"


def test_a_user_whom_the_system_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    """`docker run --user 12345`."""

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert source_tags()[Tag.USER].startswith("uid ")


def test_the_command_is_named_as_it_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["hit sweep", "--budget", "1"])
    assert source_tags()[Tag.SOURCE] == "hit sweep"
    monkeypatch.setattr(sys, "argv", ["/some/where/pytest"])
    assert source_tags()[Tag.SOURCE].startswith("python -m ")
