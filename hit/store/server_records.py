"""Every matching run of a tracking server, several requests at a time over ranges of start times that share no run.

A server takes seconds for a page of a thousand runs, has several processes that could answer, and gives the place of
the next page only with the page before. Ranges of start times need no such place: a run keeps the time at which it
began, so that none is missed or seen twice while others are added.
"""

__all__ = ["server_records"]

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request_safe

from hit.connection.store_errors import lacks_route
from hit.store.records import Records

#: What MLflow's own client asks; its answer, read without MLflow's records, costs a tenth.
_ROUTE = "/api/2.0/mlflow/runs/search"
_PAGE = 1000
_AT_ONCE = 4
#: Ranges that what follows the first page is parted into; one that has more than a page is parted in two.
_RANGES = 12


def server_records(client: MlflowClient, experiment_id: str, filters: Sequence[str]) -> Records | None:
    """The runs of an experiment that match any of the filters, oldest first; None where the store is no such server.

    Args:
        client: of the server.
        experiment_id: of the experiment.
        filters: in MLflow's language.

    Raises:
        MlflowException: the server does not answer, or does not understand a filter.
    """
    if not client.tracking_uri.startswith(("http://", "https://")):
        return None
    search = _Search(client.tracking_uri, experiment_id)
    try:
        found = search.all_of([_Range(text) for text in filters])
    except MlflowException as error:
        if lacks_route(error):
            return None
        raise
    runs = sorted(found.values(), key=lambda run: (_began(run), run["info"]["run_id"]))
    data = [run.get("data", {}) for run in runs]
    texts = {
        kind: [{one["key"]: str(one.get("value", "")) for one in some.get(kind, ())} for some in data]
        for kind in ("tags", "params")
    }
    return Records.of_values(
        info=[_info(run["info"]) for run in runs],
        tags=texts["tags"],
        params=texts["params"],
        metrics=[{one["key"]: float(one.get("value", 0.0)) for one in some.get("metrics", ())} for some in data],
    )


@dataclass(frozen=True)
class _Range:
    """The runs that match a filter and began at `first` milliseconds or later, and before `end`."""

    where: str
    first: int | None = None
    end: int | None = None

    @property
    def text(self) -> str:
        parts = [self.where] if self.where else []
        if self.first is not None:
            parts.append(f"attributes.start_time >= {self.first}")
        if self.end is not None:
            parts.append(f"attributes.start_time < {self.end}")
        return " and ".join(parts)

    def split(self, first: int, newest: int, count: int) -> Iterator["_Range"]:
        """What is left of it from `first` on, in parts; what begins after `newest` is in the last one."""
        last = newest if self.end is None else self.end - 1
        edges = sorted({first + (last + 1 - first) * at // count for at in range(1, count)} - {first})
        for begin, end in zip([first, *edges], [*edges, self.end], strict=True):
            yield replace(self, first=begin, end=end)


class _Search:
    """Questions to a server about runs of one experiment."""

    def __init__(self, uri: str, experiment_id: str) -> None:
        self._uri = uri
        self._experiment_id = experiment_id

    def all_of(self, ranges: Sequence[_Range]) -> dict[str, Any]:
        """Run id → run."""
        found: dict[str, Any] = {}
        pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="hit-runs")
        try:
            asked = {pool.submit(self._read, one) for one in ranges}
            while asked:
                done, asked = wait(asked, return_when=FIRST_COMPLETED)
                for answer in done:
                    runs, left = answer.result()
                    found |= {run["info"]["run_id"]: run for run in runs}
                    asked |= {pool.submit(self._read, one) for one in left}
        finally:
            pool.shutdown(cancel_futures=True)
        return found

    def _read(self, one: _Range) -> tuple[list[Any], list[_Range]]:
        """Runs of a range, and ranges that hold the others."""
        answer = self._page(one.text)
        runs = answer.get("runs", [])
        if not answer.get("next_page_token"):
            return runs, []
        reached = _began(runs[-1])
        if one.first is not None and reached > one.first:
            return runs, [*one.split(reached, self._newest(one), 2)]
        if one.first is None and _began(runs[0]) < reached:
            return runs, [*one.split(reached, self._newest(one), _RANGES)]
        # More than a page that began in the same millisecond: as somebody has written them, in one go.
        runs = self._page_by_page(replace(one, first=reached, end=reached + 1))
        return runs, [] if one.end == reached + 1 else [replace(one, first=reached + 1)]

    def _page_by_page(self, one: _Range) -> list[Any]:
        runs, token = [], None
        while token is None or token:
            answer = self._page(one.text, token=token or "")
            runs += answer.get("runs", [])
            token = answer.get("next_page_token", "")
        return runs

    def _newest(self, one: _Range) -> int:
        if one.end is not None:
            return one.end - 1
        runs = self._page(one.text, order="DESC", most=1).get("runs", [])
        return max(map(_began, runs), default=one.first or 0)

    def _page(self, where: str, *, order: str = "ASC", most: int = 0, token: str = "") -> dict[str, Any]:
        question: dict[str, Any] = {
            "experiment_ids": [self._experiment_id],
            "filter": where,
            "run_view_type": "ACTIVE_ONLY",
            "max_results": most or _PAGE,
            "order_by": [f"attributes.start_time {order}"],
        }
        if token:
            question["page_token"] = token
        answer = http_request_safe(get_default_host_creds(self._uri), _ROUTE, "POST", json=question)
        return answer.json()  # type: ignore[no-any-return]


def _began(run: dict[str, Any]) -> int:
    return int(run["info"].get("start_time", 0))


def _info(info: dict[str, Any]) -> dict[str, Any]:
    """As MLflow's client has it: 0 is a time that is not there."""
    return info | {"start_time": _began({"info": info}), "end_time": int(info.get("end_time", 0)) or None}
