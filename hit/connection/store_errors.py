"""What an error on the way to the store means: it will pass, it will not, the run is gone, or one item is refused."""

__all__ = ["first_line", "is_no_room", "is_there_already", "is_unknown", "lacks_route", "translated"]

import errno
import json
import re

import requests
from google.protobuf.json_format import ParseError
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from hit.errors import ItemRefused, RunGone, StoreAway, StoreError, StoreRefused
from hit.errors.redaction import redact

_LONGEST_LINE = 300

#: Codes of MLflow (https://mlflow.org/docs/latest/rest-api.html) and what they come to.
_REFUSES_US = {"PERMISSION_DENIED", "CUSTOMER_UNAUTHORIZED", "UNAUTHENTICATED"}
_REFUSES_ITEM = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_ALREADY_EXISTS", "NOT_IMPLEMENTED"}
#: MLflow's codes for what a database says.
_OF_DATABASE = {"BAD_REQUEST", "INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE"}
_NOT_THERE = {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"}
_STATUS = re.compile(r"failed with error code (\d{3})|\b(\d{3}) (?:Client|Server) Error")
#: MLflow says that a run is deleted as it says that a parameter is wrong.
_DELETED = re.compile(r"must be in the 'active' state|must be in 'active' lifecycle_stage|is (?:already )?deleted")
_NO_ROOM = re.compile(
    r"database or disk is full|No space left on device|could not extend file|disk full|quota exceeded", re.I
)
_NO_RIGHT = re.compile(
    r"readonly database|read-only|permission denied|file is not a database|disk image is malformed"
    r"|password authentication failed|no password supplied"
    r"|role \S+ does not exist|database \S+ does not exist|no pg_hba.conf entry|Access denied for user",
    re.I,
)
_MALFORMED = re.compile(
    r"Invalid url|Invalid header value|in header value|InvalidHeader|Failed to parse|label empty or too long"
)
_DRIVERS = {
    "psycopg": "pip install -e '.[postgres]'",
    "psycopg2": "pip install psycopg2-binary, or write postgresql+psycopg:// and pip install -e '.[postgres]'",
    "MySQLdb": "pip install mysqlclient, or write mysql+pymysql:// and pip install pymysql",
}

#: How SQLAlchemy begins, the driver's own class of errors.
_RAISER = re.compile(r"^\((?:\w+\.)+\w+\) ")
#: How MLflow tells of an answer that is not its own.
_ANSWER = re.compile(r"^API request to endpoint \S+ failed with error code (\d+) != \d+\. Response body: '(.*)", re.S)
_WORDS = (
    (re.compile(r"Connection refused", re.I), "Connection refused"),
    (re.compile(r"Name or service not known|nodename nor servname", re.I), "Name or service not known"),
    (re.compile(r"Temporary failure in name resolution", re.I), "Temporary failure in name resolution"),
    (re.compile(r"timed? ?out", re.I), "timed out"),
    (re.compile(r"Connection (?:reset|aborted)|RemoteDisconnected|Remote end closed", re.I), "the connection broke"),
    (re.compile(r"too many (\d{3}) error responses"), r"the server answers \1"),
    (re.compile(r"SSLError", re.I), "the handshake of TLS failed: the server may speak http there, not https"),
    (re.compile(r"database is locked", re.I), "the database is locked by another process"),
)


def translated(error: BaseException, *, item: str = "") -> StoreError:
    """An error of MLflow, of its HTTP client, of its database or of an artifact store as one of ours, one line each.

    Args:
        error: what was raised.
        item: what was being delivered, if it was one thing of many (`artifact model/weights.safetensors`): a refusal
            that concerns it alone is then `ItemRefused`. Artifacts are kept elsewhere than the rest, so that want of
            room, of rights or of a package concerns them alone; of anything else, the whole store.

    Returns:
        `StoreAway`, `StoreRefused`, `RunGone`, `ItemRefused`, or a plain `StoreError` where a question was refused.
    """
    if isinstance(error, StoreError):
        return error
    said = first_line(error)
    text = f"{error}"
    artifact = item if item.startswith("artifact") else ""
    if isinstance(error, ModuleNotFoundError):
        return _missing(error, artifact)
    if "CERTIFICATE_VERIFY_FAILED" in text or "SSLCertVerificationError" in text:
        return StoreRefused(f"the tracking server's certificate is not trusted here: {said}")
    if "WRONG_VERSION_NUMBER" in text or "record layer failure" in text.lower():
        return StoreRefused("the tracking server speaks http there, not https")
    if "Unable to connect to proxy" in text or "ProxyError" in text or "Tunnel connection failed" in text:
        return _proxy(text, said)
    if _NO_ROOM.search(text):
        return _refused_item_or_store(artifact, f"there is no room where the store keeps it: {said}")
    if "QueuePool limit" in text:
        return StoreAway("this process asks it too much at once")
    status = _http_status(error, text)
    code = error.error_code if isinstance(error, MlflowException) else ""
    if code in _REFUSES_US or status in (401, 403):
        why = _refusal(status or (401 if code != "PERMISSION_DENIED" else 403), said)
        return _refused_item_or_store(artifact, why)
    if status == 407:
        return _proxy(text, said)
    if code in _NOT_THERE or _DELETED.search(text):
        return ItemRefused(f"{item}: {said}") if artifact and status == 404 else RunGone(said)
    if code == "ENDPOINT_NOT_FOUND" or status == 404:
        return StoreRefused(f"there is no MLflow tracking server at this address: {said}")
    of_database = isinstance(error, SQLAlchemyError) or code in _OF_DATABASE
    if of_database and _NO_RIGHT.search(text):
        # Where artifacts lie may be shut while the rest of the store is open.
        return _refused_item_or_store(item if item.startswith(("artifact", "image")) else "", said)
    if code in _REFUSES_ITEM or status in (400, 405, 413, 414, 415, 422):
        return ItemRefused(f"{item}: {said}") if item else StoreError(said)
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidHeader | UnicodeError):
        return StoreRefused(f"the address or the credentials of the store are malformed: {said}")
    if _MALFORMED.search(text):
        return StoreRefused(f"the address or the credentials of the store are malformed: {said}")
    if isinstance(error, MlflowException | SQLAlchemyError | requests.exceptions.RequestException):
        return StoreAway(said)
    if isinstance(error, ParseError | json.JSONDecodeError):
        return StoreAway(f"it answers what cannot be read: {said}")
    if isinstance(error, ConnectionError | TimeoutError):
        return StoreAway(said)
    if isinstance(error, OSError):
        return _refused_item_or_store(
            artifact, f"{error.strerror or said}" + (f": {error.filename}" if error.filename else "")
        )
    # What libraries of artifact stores raise (boto3, google.cloud, …) says nothing of whether it passes.
    return _refused_item_or_store(item, f"{type(error).__name__}: {said}")


def is_there_already(error: MlflowException) -> bool:
    """Whether a thing could not be made because there is one of its name."""
    return bool(error.error_code == "RESOURCE_ALREADY_EXISTS")


def is_unknown(error: MlflowException) -> bool:
    """Whether a thing was asked for by a name that the store does not know; some stores call that a wrong value."""
    return error.error_code in (*_NOT_THERE, "INVALID_PARAMETER_VALUE")


def lacks_route(error: MlflowException) -> bool:
    """Whether a server has no such route: it is of another version of MLflow."""
    return error.get_http_status_code() in (404, 405) or "404" in str(error)


def first_line(error: BaseException) -> str:
    """What went wrong in one line, without credentials, and without the layers of libraries that it came up through."""
    text = str(error).strip()
    for pattern, words in _WORDS:
        if found := pattern.search(text):
            return found.expand(words)
    if not text:
        return type(error).__name__
    if found := _ANSWER.search(text):
        return redact(" ".join(f"{found[1]}: {found[2]}".split()))[:_LONGEST_LINE].rstrip("' :")
    lines = [line for line in text.splitlines() if not line.startswith("(raised as a result of")] or [text]
    line = _RAISER.sub("", lines[0])
    if line.startswith("{"):
        line = _message(text) or line
    return redact(line.partition(" for url: ")[0])[:_LONGEST_LINE]


def _message(text: str) -> str:
    try:
        return str(json.loads(text)["message"]).splitlines()[0]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return ""


def _http_status(error: BaseException, text: str) -> int:
    """The HTTP status that an error speaks of, 0 if none."""
    response = getattr(error, "response", None)
    if response is not None and isinstance(getattr(response, "status_code", None), int):
        return int(response.status_code)
    if match := _STATUS.search(text.splitlines()[0] if text else ""):
        return int(match[1] or match[2])
    return 0


def _refusal(status: int, said: str) -> str:
    if status == 401:
        return f"the tracking server asks for credentials that are right (MLFLOW_TRACKING_USERNAME, …_PASSWORD): {said}"
    return f"the tracking server does not let this account do it: {said}"


def _proxy(text: str, said: str) -> StoreError:
    if re.search(r"Tunnel connection failed: (4\d\d)|\b407\b", text):
        return StoreRefused(f"the proxy (HTTP_PROXY, HTTPS_PROXY, NO_PROXY) refuses the way to the store: {said}")
    return StoreAway(f"the proxy (HTTP_PROXY, HTTPS_PROXY, NO_PROXY) does not answer: {said}")


def _missing(error: ModuleNotFoundError, item: str) -> StoreError:
    name = error.name or str(error)
    package = name.partition(".")[0]
    how = _DRIVERS.get(package, f"pip install {package}")
    return _refused_item_or_store(item, f"the store needs the package {name}, which is not installed here: {how}")


def _refused_item_or_store(item: str, why: str) -> StoreError:
    why = redact(why)
    return ItemRefused(f"{item}: {why}") if item else StoreRefused(why)


def is_no_room(error: OSError) -> bool:
    """Whether a disk, or a share of it, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
