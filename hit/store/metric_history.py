"""Histories of many runs' metrics through MLflow's client: in bulk where the server can, else one by one."""

__all__ = ["Point", "from_server", "one_by_one"]

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request_safe

from hit.connection.store_errors import lacks_route

#: The route that MLflow's own UI reads, and what it answers at most.
_ROUTE = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
_RUNS_A_QUESTION, _MOST_POINTS = 100, 25_000


class Point(NamedTuple):
    """One value that a run has logged.

    Attributes:
        run_id: of the run.
        metric: its name.
        step: the epoch, for what is logged once an epoch.
        timestamp: milliseconds.
        value: as it was logged.
    """

    run_id: str
    metric: str
    step: int
    timestamp: int
    value: float


def from_server(client: MlflowClient, run_ids: Sequence[str], names: Sequence[str]) -> list[Point] | None:
    """What the runs logged of the metrics; None where the store is no server, or has no such route.

    Raises:
        MlflowException: the server does not answer.
    """
    if not client.tracking_uri.startswith(("http://", "https://")):
        return None
    try:
        return [
            point
            for name in names
            for first in range(0, len(run_ids), _RUNS_A_QUESTION)
            for point in _bulk(client, run_ids[first : first + _RUNS_A_QUESTION], name)
        ]
    except MlflowException as error:
        if lacks_route(error):
            return None
        raise


def one_by_one(client: MlflowClient, run_ids: Sequence[str], names: Sequence[str]) -> list[Point]:
    """The same by one request a run and metric.

    Raises:
        MlflowException: the store does not answer.
    """
    return [
        Point(run_id, name, one.step, one.timestamp, one.value)
        for run_id in run_ids
        for name in names
        for one in client.get_metric_history(run_id, name)
    ]


def _bulk(client: MlflowClient, run_ids: Sequence[str], name: str) -> Iterator[Point]:
    asked = [*(("run_id", run_id) for run_id in run_ids), ("metric_key", name), ("max_results", str(_MOST_POINTS))]
    answer = http_request_safe(get_default_host_creds(client.tracking_uri), _ROUTE, "GET", params=asked)
    # Not `answer.json()`: where simplejson is installed, requests asks that, which takes no NaN.
    points = json.loads(answer.text).get("metrics", [])
    if len(points) < _MOST_POINTS:
        for one in points:
            yield Point(one["run_id"], name, int(one["step"]), int(one["timestamp"]), float(one["value"]))
    elif len(run_ids) > 1:  # more than one answer holds
        half = len(run_ids) // 2
        yield from _bulk(client, run_ids[:half], name)
        yield from _bulk(client, run_ids[half:], name)
    else:
        yield from one_by_one(client, run_ids, [name])
