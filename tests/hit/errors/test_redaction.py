"""Tests that no secret is shown."""

import logging
import sys
import threading

import pytest

from hit.errors.redaction import redact, redact_logs, redact_tracebacks


@pytest.mark.parametrize(
    "text",
    [
        "http://user:SECRET@host:5000",
        "http://user:a@SECRET@host",
        "http://user:a/SECRET@host/x",
        "no answer from postgresql:/user:SECRET@host/db",
        "user:SECRET@host",
        "http://me@corp.com:SECRET@host/x",
        "http://SECRET@host/x",
        "got 'postgresql+psycopg://u:SECRET@[::1]/db'",
        "Invalid header value b'Bearer SECRET\\nmore'",
        "Authorization: Basic SECRET",
        "https://bucket/x?X-Amz-Signature=SECRET&a=b",
        "password=SECRET host=h",
        "postgresql://hit:SECRET@db:5432/runs?sslmode=require",
        "postgresql://hit:S%40CRET@SECRET@db/runs",
        "postgresql://db/runs?user=hit&password=SECRET",
        "Authorization: Basic aGl0OlNFQ1JFVA==SECRET",
        "connection failed: password='SECRET' dbname='runs'",
    ],
)
def test_no_secret_is_left(text: str) -> None:
    assert "SECRET" not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "models:/hit-digits@representation",
        "sqlite:////home/a/b.db",
        "got sqlite:////tmp/a@b/u:p@h/x.db",
        "file:///tmp/a@b/c:d@e",
        "s3://bucket/name@v1/x",
        "pruned: threshold:0:1@train/distortion over 2 runs, hyperband:3@test/elbo",
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


def test_logs_and_tracebacks_hold_none(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("somebody's")
    monkeypatch.setattr(logger, "handlers", [logging.StreamHandler(sys.stderr)])
    redact_logs(logger.name, logger.name)
    assert len(logger.handlers[0].filters) == 1
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    redact_tracebacks()
    try:
        raise RuntimeError("no answer from http://me:SECRET@host")
    except RuntimeError as error:
        logger.exception("from %s", "http://me:SECRET@host")
        sys.excepthook(RuntimeError, error, error.__traceback__)
    said = capsys.readouterr().err
    assert said.count("RuntimeError: no answer from http://host\n") == 2
    assert "from http://host\n" in said
    assert "SECRET" not in said
