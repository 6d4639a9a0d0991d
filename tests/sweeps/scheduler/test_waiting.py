"""A store that is away is waited for, and what is waited for is said once."""

import logging

import pytest

from hit.errors import StoreAway
from sweeps.scheduler import waiting


def test_the_line_names_the_store_without_its_credentials(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(waiting, "SECONDS_BETWEEN_QUESTIONS", 0.0)
    answers = [StoreAway("Connection refused"), StoreAway("Connection refused"), "at last"]

    def ask() -> str:
        answer = answers.pop(0)
        if isinstance(answer, StoreAway):
            raise answer
        return answer

    with caplog.at_level(logging.WARNING):
        assert waiting.wait_for_store(ask, lambda: None, "http://me:hunter2@host:5000") == "at last"
    assert caplog.messages == ["waiting for the store at http://host:5000: Connection refused"]
