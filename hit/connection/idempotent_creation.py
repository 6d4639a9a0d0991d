"""Things of the store made once, though the store's answer may be lost after it has made them."""

__all__ = ["create_run", "made_once"]

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.entities import Run

from hit.connection.store_errors import translated
from hit.errors import StoreAway, StoreError
from hit.errors.redaction import redact
from hit.schema import Tag

MadeT = TypeVar("MadeT")

_TRIES = 5
_FIRST_WAIT_SECONDS = 0.2
_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
_CHANGING = threading.RLock()


def create_run(client: MlflowClient, experiment: str, *, name: str, tags: Mapping[str, str]) -> Run:
    """A new run, one whatever becomes of the answers; it has a tag with a key of its own, by which it is found again.

    Args:
        client: of the store.
        experiment: id of its experiment.
        name: shown in the UI.
        tags: of the run.

    Raises:
        StoreError: the store refuses; `StoreAway`: it does not answer.
    """
    key = uuid.uuid4().hex
    own = {**tags, str(Tag.CREATION_KEY): key}

    def find() -> Run | None:
        found = client.search_runs([experiment], f"tags.`{Tag.CREATION_KEY}` = '{key}'", max_results=1)
        return found[0] if found else None

    def make() -> Run:
        run = client.create_run(experiment, run_name=name, tags=own)
        if not run.info.run_id:
            raise StoreAway("the answer was empty")
        return run

    try:
        return made_once(make, find)
    except StoreError as error:
        raise type(error)(f"no run can be made in {redact(str(client.tracking_uri))}: {error}") from None


def made_once(make: Callable[[], MadeT], find: Callable[[], MadeT | None]) -> MadeT:
    """What `make` makes. Before it is tried again, `find` looks whether it was made, and only its answer was lost.

    Raises:
        StoreError: the store refuses; `StoreAway`: it does not answer.
    """
    perhaps_made = False
    for attempt in range(_TRIES):
        try:
            found = find() if perhaps_made else None
            if found is None:
                perhaps_made = True
                with _asked_once():
                    found = make()
            return found
        except Exception as error:
            said = translated(error)
            if not isinstance(said, StoreAway) or attempt == _TRIES - 1:
                raise said from None
        time.sleep(_FIRST_WAIT_SECONDS * 2**attempt)
    raise AssertionError("unreachable")


@contextlib.contextmanager
def _asked_once() -> Iterator[None]:
    """MLflow's client would itself try again what may have been done, without looking."""
    with _CHANGING:
        before = os.environ.get(_RETRIES)
        os.environ[_RETRIES] = "0"
        try:
            yield
        finally:
            os.environ.pop(_RETRIES)
            if before is not None:
                os.environ[_RETRIES] = before
