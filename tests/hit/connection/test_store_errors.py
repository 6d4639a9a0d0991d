"""Tests of what errors on the way to the store mean."""

import errno

import pytest
import requests
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import ErrorCode
from sqlalchemy.exc import OperationalError

from hit.connection.store_errors import translated
from hit.errors import ItemRefused, RunGone, StoreAway, StoreError, StoreRefused

ITEM = "artifact model/weights.safetensors"


def http_error(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError(f"{status} Client Error: for url: http://127.0.0.1/x", response=response)


def answered(status: int, body: str = "no") -> MlflowException:
    code = "INTERNAL_ERROR" if status not in (401, 403, 404) else None
    names = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "ENDPOINT_NOT_FOUND"}
    message = f"API request to endpoint /api failed with error code {status} != 200. Response body: '{body}'"
    return MlflowException(message, error_code=ErrorCode.Value(code or names[status]))


def refused_by_database(message: str) -> OperationalError:
    return OperationalError("SELECT 1", {}, Exception(message))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MlflowException("API request to http://h failed with exception … Connection refused"), StoreAway),
        (MlflowException("API request failed with timeout exception Read timed out."), StoreAway),
        (answered(500), StoreAway),
        (answered(503), StoreAway),
        (answered(429), StoreAway),
        (refused_by_database("connection to server at 127.0.0.1 failed: Connection refused"), StoreAway),
        (refused_by_database("database is locked"), StoreAway),
        (MlflowException("QueuePool limit of size 5 reached", error_code=ErrorCode.Value("BAD_REQUEST")), StoreAway),
        (ConnectionResetError("reset"), StoreAway),
        (answered(401), StoreRefused),
        (answered(403), StoreRefused),
        (answered(404), StoreRefused),
        (RestException({"error_code": "PERMISSION_DENIED", "message": "Permission denied"}), StoreRefused),
        (refused_by_database('password authentication failed for user "x"'), StoreRefused),
        (refused_by_database("attempt to write a readonly database"), StoreRefused),
        (refused_by_database("database or disk is full"), StoreRefused),
        (ModuleNotFoundError("No module named 'psycopg'", name="psycopg"), StoreRefused),
        (MlflowException("API request failed: Tunnel connection failed: 403 Forbidden"), StoreRefused),
        (RestException({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Run 'x' not found"}), RunGone),
        (MlflowException("The run x must be in the 'active' state. Current state is deleted."), RunGone),
        (MlflowException("Invalid value", error_code=ErrorCode.Value("INVALID_PARAMETER_VALUE")), StoreError),
    ],
)
def test_an_error_means_that_it_passes_or_that_it_does_not(error: Exception, kind: type[StoreError]) -> None:
    found = translated(error)
    assert type(found) is kind
    assert str(found).count("\n") == 0


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "/x"),
        PermissionError(errno.EACCES, "Permission denied", "/x"),
        OSError(errno.ENAMETOOLONG, "File name too long"),
        ModuleNotFoundError("No module named 'boto3'", name="boto3"),
        http_error(403),
        http_error(413),
        MlflowException("Invalid value", error_code=ErrorCode.Value("INVALID_PARAMETER_VALUE")),
        ValueError("Unable to locate credentials"),
    ],
)
def test_what_concerns_one_item_alone_is_told_apart(error: Exception) -> None:
    found = translated(error, item=ITEM)
    assert type(found) is ItemRefused
    assert str(found).startswith(ITEM)


@pytest.mark.parametrize(
    "error",
    [
        refused_by_database("database or disk is full"),
        PermissionError(errno.EACCES, "Permission denied", "/x"),
        ModuleNotFoundError("No module named 'psycopg'", name="psycopg"),
    ],
)
def test_what_keeps_a_number_out_keeps_them_all_out(error: Exception) -> None:
    assert type(translated(error, item="metric train/rate_1 of step 3")) is StoreRefused


def test_a_server_that_is_away_is_away_for_an_item_too() -> None:
    assert type(translated(answered(502), item=ITEM)) is StoreAway
    assert type(translated(requests.ConnectionError("Connection refused"), item=ITEM)) is StoreAway


def test_a_missing_driver_is_named_with_what_installs_it() -> None:
    assert "pip install -e '.[postgres]'" in str(translated(ModuleNotFoundError("no", name="psycopg")))


def test_what_a_server_answers_is_said_without_its_address() -> None:
    assert "http" not in str(translated(http_error(413), item=ITEM))
    retried = "Max retries exceeded with url: /x (Caused by ResponseError('too many 500 error responses'))"
    assert str(translated(MlflowException(retried))) == "the server answers 500"
