"""Tests that no secret is shown."""

import pytest

from hit.redaction import redact


@pytest.mark.parametrize(
    "text",
    [
        "http://user:SECRET@host:5000",
        "http://user:a@SECRET@host",
        "http://user:a/SECRET@host/x",
        "no answer from postgresql:/user:SECRET@host/db",
        "user:SECRET@host",
        "got 'postgresql+psycopg://u:SECRET@[::1]/db'",
        "Invalid header value b'Bearer SECRET\\nmore'",
        "Authorization: Basic SECRET",
        "https://bucket/x?X-Amz-Signature=SECRET&a=b",
        "password=SECRET host=h",
    ],
)
def test_no_secret_is_left(text: str) -> None:
    assert "SECRET" not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "models:/hit-digits@representation",
        "sqlite:////home/a/b.db",
        "http://127.0.0.1:5000/#/experiments/1?workflowType=machine_learning",
        "beta_1 must be greater than or equal to 0, got -1",
        "at 12:30: me@example.com",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_secrets_of_the_environment_are_hidden_wherever_they_turn_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "SECRET\nOTHER")
    assert redact("x SECRET y OTHER z 'SECRET\nOTHER'") == "x *** y *** z '***'"
