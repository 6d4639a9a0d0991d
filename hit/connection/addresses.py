"""Addresses of run stores: what they mean, how one is made from a path, and what tells two stores apart."""

__all__ = [
    "DEFAULT_TRACKING_URI",
    "is_database",
    "named_by",
    "place",
    "sqlite_path",
    "sqlite_uri",
    "tracking_uri",
]

import os
import re
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from hit.errors import StoreError
from hit.errors.redaction import redact

DEFAULT_TRACKING_URI = "sqlite:///mlflow.db"

_SCHEMES = ("sqlite", "http", "https", "postgresql", "mysql", "mssql", "databricks", "file")
_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
#: What the query of a database's address may say of where it is.
_WHERE = {"host", "hostaddr", "port", "dbname", "service", "options", "unix_socket"}

#: The scheme `sqlite` with its driver named: the form for paths that are quoted (`sqlite_uri`).
_SQLITE, _QUOTED = "sqlite:///", "sqlite+pysqlite:///"
#: Whether this SQLAlchemy takes the quotes off a database's name; the versions before 2.1 do not.
_UNQUOTES = make_url("sqlite:///%25").database == "%"


def tracking_uri(uri: str | None = None) -> str:
    """The store's address: the argument, else $MLFLOW_TRACKING_URI, else mlflow.db in the working directory.

    A path to an SQLite file is made absolute, so that every process means the same file.

    Raises:
        StoreError: it is not an address of a store.
    """
    by = named_by(uri)
    uri = (uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_TRACKING_URI).strip()
    scheme, colon, rest = uri.partition(":")
    name = scheme.lower().partition("+")[0]
    if colon and (name not in _SCHEMES or not rest.startswith("//")) and uri != "databricks":
        known = ", ".join(f"{name}://" for name in _SCHEMES)
        raise StoreError(f"tracking store{by} must be an address that starts with {known}, got {redact(uri)!r}")
    uri = scheme.lower() + colon + rest
    if name == "sqlite":
        path = sqlite_path(uri)
        if path is None:
            raise StoreError(f"a tracking store of SQLite{by} must be sqlite:///PATH, a file, got {uri!r}")
        query = make_url(uri).query if "?" in uri and path.name != Path(rest).name else {}
        return sqlite_uri(path.absolute()) + (f"?{urlencode(query, doseq=True)}" if query else "")
    return uri.rstrip("/") if name in ("http", "https") else uri


def named_by(uri: str | None = None) -> str:
    """Where the address of the store comes from, for messages; '' of one that the code names.

    >>> named_by("http://host:5000")
    ''
    """
    if uri:
        return ""
    return " (MLFLOW_TRACKING_URI)" if os.environ.get("MLFLOW_TRACKING_URI") else " (MLFLOW_TRACKING_URI is not set)"


def is_database(uri: str) -> bool:
    """Whether a store at this address is a database, rather than a server."""
    return uri.partition(":")[0].partition("+")[0] in _DATABASES


def sqlite_path(uri: str) -> Path | None:
    """The file of an SQLite store; None for any other store.

    SQLAlchemy, and MLflow with it, take `%41` in an address for a quoted `A`, and `?` for the beginning of options.
    Somebody who has put a path there that holds them, as it is, means that path: where it exists, it is taken.
    """
    quoted = uri.startswith(_QUOTED)
    if not quoted and not uri.startswith(_SQLITE):
        return None
    literal = Path(uri.partition(":///")[2])
    try:
        name = make_url(uri).database or ""
    except (ArgumentError, ValueError):
        name = str(literal)
    if not name or name.startswith((":memory:", "file:")):
        return None
    if quoted or name == str(literal):
        return Path(name)
    folder_is_meant = re.search(r"[%?]", str(literal.parent)) and literal.parent.is_dir()
    return literal if folder_is_meant or literal.is_file() else Path(name)


def sqlite_uri(path: Path) -> str:
    """The address of an SQLite file, whatever its path is called; `sqlite_path` inverts it.

    Raises:
        StoreError: the path cannot be written as an address.
    """
    text = str(path)
    if not re.search(r"[%?]", text):
        return _SQLITE + text
    if not _UNQUOTES:
        if "?" in text:
            raise StoreError(f"the path of an SQLite store must not hold '?' (SQLAlchemy 2.1 takes it), got {text!r}")
        return _SQLITE + text
    # With the driver named, since MLflow makes the folder of a plain address as if nothing in it were quoted.
    return _QUOTED + text.replace("%", "%25").replace("?", "%3F")


def place(uri: str) -> str:
    """Where a store is: its address without credentials, as every way to write it comes to.

    >>> place("https://me:secret@Host.org:443/mlflow/") == place("https://host.org/ml%66low")
    True
    >>> place("postgresql+psycopg://me:secret@db/runs?sslmode=require")
    'postgresql://db/runs'
    """
    uri = tracking_uri(uri)
    if (path := sqlite_path(uri)) is not None:
        return _SQLITE + str(path)
    try:
        parts = urlsplit(uri)
        scheme, host, port = parts.scheme.partition("+")[0], parts.hostname or "", parts.port
    except ValueError:
        return redact(uri)
    if scheme not in _PORTS:
        return redact(uri)
    host = f"[{host}]" if ":" in host else host
    where = sorted(one for one in parse_qsl(parts.query) if one[0] in _WHERE) if scheme in _DATABASES else []
    way = quote(unquote(parts.path), safe="/:@!$&'()*+,;=~").rstrip("/")
    beside = f":{port}" if port not in (None, _PORTS[scheme]) else ""
    return f"{scheme}://{host}{beside}{way}" + (f"?{urlencode(where)}" if where else "")
