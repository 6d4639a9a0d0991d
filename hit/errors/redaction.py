"""Keeps secrets out of everything that is printed, logged or raised."""

__all__ = ["redact", "redact_logs", "redact_tracebacks"]

import logging
import os
import re
import sys
import threading
import traceback
from types import TracebackType

#: Environment variables whose values are secrets wherever they turn up.
_SECRET_VARIABLES = (
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "DATABRICKS_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_CONNECTION_STRING",
    "PGPASSWORD",
    "RAY_AUTH_TOKEN",
)
_SHORTEST_SECRET = 4
_HIDDEN = "***"

#: Between `://` and the last `@` of a word stand a user's name and a password, which may hold `@` and `/` themselves.
#: What begins with three slashes is a path, and so is what has an `@` and no `:` behind its first one.
_IN_ADDRESS = re.compile(r"(?<=://)(?!/)(?:[^\s/]*:\S*|[^\s/]*)@")
#: The same in what does not parse as an address (`postgresql:/user:secret@host`, `user:secret@host`); aliases of
#: registered models (`models:/name@alias`) are none, nor are rules on metrics (`threshold:0:1@train/rate`).
_BEFORE_HOST = re.compile(
    r"(?<![\w/:.-])(?!models:/)((?:[A-Za-z][\w+.-]*:/+)?)[^\s/@:'\"]*:(?!/)[^\s'\"]*@(?=[\w\[])(?!(?:train|test|sample)/)"
)
_ONE_SLASH = re.compile(r"\b((?:https?|postgresql|mysql|mssql)(?:\+\w+)?:/)(?!/)[^\s'\"]*@(?=[\w\[])")
_HEADER = re.compile(r"\b(Bearer|Basic)\s+[^\s'\",;]+", re.IGNORECASE)
_QUERY = re.compile(
    r"\b((?:[\w-]*(?:password|passwd|secret|token|signature|credential)|sig|pwd)=)(?:'[^']*'|[^\s&'\",;]+)",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """The text without the credentials in it: those of addresses, of headers, of queries, and of the environment.

    >>> redact("no answer from http://user:a@b/c@host:5000/")
    'no answer from http://host:5000/'
    >>> redact("Invalid header value b'Bearer abc'")
    "Invalid header value b'Bearer ***'"
    >>> redact("registered: models:/hit-digits@representation")
    'registered: models:/hit-digits@representation'
    """
    for variable in _SECRET_VARIABLES:
        value = os.environ.get(variable, "")
        for part in (value, *value.split()):
            if len(part) >= _SHORTEST_SECRET:
                text = text.replace(part, _HIDDEN)
    text = _IN_ADDRESS.sub("", text)
    text = _BEFORE_HOST.sub(r"\1", text)
    text = _ONE_SLASH.sub(r"\1", text)
    text = _HEADER.sub(rf"\1 {_HIDDEN}", text)
    return _QUERY.sub(rf"\1{_HIDDEN}", text)


def redact_logs(*names: str) -> None:
    """Let the handlers of these loggers leave credentials out, and those of the root, which hear whoever has none."""
    handlers = [handler for name in (*names, "") for handler in logging.getLogger(name).handlers]
    for handler in filter(None, [*handlers, logging.lastResort]):
        if not any(isinstance(one, _Redacted) for one in handler.filters):
            handler.addFilter(_Redacted())


def redact_tracebacks() -> None:
    """Let what ends this process unforeseen be told without credentials, too."""

    def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))

    sys.excepthook = tell
    threading.excepthook = lambda said: (
        None
        if said.exc_type is SystemExit
        else tell(said.exc_type, said.exc_value or said.exc_type(), said.exc_traceback)
    )


class _Redacted(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
        return True
