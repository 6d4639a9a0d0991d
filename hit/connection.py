"""The way to the run store: which one, whether it answers, and its first use by many at once."""

__all__ = [
    "DEFAULT_TRACKING_URI",
    "chosen_experiment",
    "connect",
    "experiment_id",
    "experiment_of",
    "found_experiment",
    "is_permanent",
    "sqlite_path",
    "tracking_uri",
]

import contextlib
import os
import re
import time
from pathlib import Path
from urllib.parse import unquote

# Our own delivery waits and retries (hit.tracking); MLflow's client would hold a question for minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # stdout is for the run id

import logging

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from hit.errors import RunGone, StoreError
from hit.experiments import Experiment
from hit.schema import DEFAULT_EXPERIMENT
from hit.store_errors import translated

DEFAULT_TRACKING_URI = "sqlite:///mlflow.db"

_SQLITE = "sqlite:///"
_SCHEMES = ("sqlite", "http", "https", "postgresql", "mysql", "mssql", "databricks", "file", "")
_PERMANENT = {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS", "BAD_REQUEST"}
_DB_LOCK_SECONDS = 120
_TRIES = 5


def tracking_uri(uri: str | None = None) -> str:
    """The store's address: the argument, else $MLFLOW_TRACKING_URI, else mlflow.db in the working directory.

    A path to an SQLite file is made absolute, so that every process means the same file.
    """
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_TRACKING_URI
    if uri.startswith(_SQLITE):
        return _SQLITE + str(_path(uri).absolute())
    return uri


def sqlite_path(uri: str) -> Path | None:
    """The file of an SQLite store; None for any other store."""
    return _path(uri) if uri.startswith(_SQLITE) else None


def connect(uri: str | None = None) -> MlflowClient:
    """A client of a store that answers.

    Several processes may use a new SQLite store at the same moment: a file lock lets one of them create it.

    Raises:
        StoreError: the store does not answer or cannot be created.
    """
    uri = tracking_uri(uri)
    scheme = uri.partition("://")[0] if "://" in uri else ""
    if scheme.partition("+")[0] not in _SCHEMES:
        known = ", ".join(f"{name}://" for name in _SCHEMES if name)
        raise StoreError(f"tracking store must be an address that starts with {known}, got {_shown(uri)!r}")
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        if uri.startswith(_SQLITE):
            path = _path(uri)
            if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
                raise StoreError(f"tracking store must lie in a writable directory, got {path}")
            with FileLock(f"{path}.lock", timeout=_DB_LOCK_SECONDS):
                return _ask(uri)
        return _ask(uri)
    except StoreError:
        raise
    except Exception as error:
        raise StoreError(f"tracking server must answer, got no answer from {_shown(uri)}: {_cause(error)}") from None


def experiment_id(client: MlflowClient, experiment: str | Experiment) -> str:
    """Id of the experiment, made if there is none of its name, also when others make it at this moment.

    Args:
        client: of the store.
        experiment: its name, or the experiment as it was found; one that has an id is not looked for again.

    Raises:
        StoreError: the experiment is deleted, or its name is refused; `StoreAway`: the store does not answer.
    """
    name = str(experiment)
    for attempt in range(_TRIES):
        try:
            found = found_experiment(client, experiment)
            if found.id:
                return found.id
            return str(client.create_experiment(name, artifact_location=_artifact_location(client, name)))
        except MlflowException as error:
            if attempt == _TRIES - 1:
                raise StoreError(f"experiment {name!r} cannot be created: {_first_line(error)}") from None
            time.sleep(0.1 * 2**attempt)  # somebody else created it between our two questions
    raise AssertionError("unreachable")


def found_experiment(client: MlflowClient, experiment: str | Experiment) -> Experiment:
    """The experiment with its id; without one where the store has none of this name.

    Raises:
        StoreError: it is deleted.
        MlflowException: the store does not answer.
    """
    if isinstance(experiment, Experiment) and experiment.id:
        return experiment
    name = str(experiment)
    found = client.get_experiment_by_name(name)
    if found is None:
        return Experiment(name)
    if found.lifecycle_stage != "active":
        raise StoreError(
            f"experiment {name!r} is deleted; restore it (mlflow experiments restore -x {found.experiment_id}) or "
            "name another one"
        )
    return Experiment(name, str(found.experiment_id))


def experiment_of(client: MlflowClient, run_id: str) -> Experiment:
    """The experiment that a run is in.

    Raises:
        RunGone: there is no such run.
        StoreError: the store does not answer.
    """
    try:
        found = client.get_experiment(client.get_run(run_id).info.experiment_id)
    except MlflowException as error:
        raise translated(error) from None
    return Experiment(str(found.name), str(found.experiment_id))


def chosen_experiment(asked: str, resumed: str = "") -> Experiment:
    """The experiment to use, held by its id from here on: whoever renames it meanwhile changes nothing.

    That is the one asked for, else that of the run which is gone on with, else that of the run which `mlflow run` has
    made ($MLFLOW_RUN_ID), else that of $MLFLOW_EXPERIMENT_ID, else that of $MLFLOW_EXPERIMENT_NAME, else "hit".

    Args:
        asked: its name, or '' for none.
        resumed: id of a run that is gone on with, or ''; one that is not in the store chooses nothing.

    Raises:
        StoreError: the store does not answer, or what a variable names is not in it.
    """
    client = connect()
    try:
        if not asked and resumed:
            with contextlib.suppress(RunGone):
                return experiment_of(client, resumed)
        if not asked and (run_id := os.environ.get("MLFLOW_RUN_ID")):
            try:
                return experiment_of(client, run_id)
            except RunGone:
                raise StoreError(f"MLFLOW_RUN_ID must be the id of a run in the store, got {run_id!r}") from None
        if not asked and (home := os.environ.get("MLFLOW_EXPERIMENT_ID")):
            return _by_id(client, home)
        name = asked or os.environ.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_EXPERIMENT
        return found_experiment(client, name)
    except MlflowException as error:
        raise translated(error) from None


def _by_id(client: MlflowClient, home: str) -> Experiment:
    try:
        return found_experiment(client, str(client.get_experiment(home).name))
    except MlflowException as error:
        said = translated(error)
        if not isinstance(said, RunGone):
            raise said from None
        raise StoreError(f"MLFLOW_EXPERIMENT_ID must be the id of an experiment in the store, got {home!r}") from None


def is_permanent(error: BaseException) -> bool:
    """Whether asking the store again is no use: it answered, and refused."""
    return isinstance(error, MlflowException) and error.error_code in _PERMANENT


def _ask(uri: str) -> MlflowClient:
    client = MlflowClient(uri)
    client.search_experiments(max_results=1)
    return client


def _artifact_location(client: MlflowClient, name: str) -> str | None:
    """Beside the SQLite file, wherever the process stands; a server decides for itself."""
    uri = client.tracking_uri
    if not uri.startswith(_SQLITE):
        return None
    folder = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
    return (_path(uri).parent / "mlruns" / folder).as_uri()


def _path(uri: str) -> Path:
    return Path(unquote(uri.removeprefix(_SQLITE)))


def _shown(text: str) -> str:
    """The text with the credentials of every address in it left out."""
    return re.sub(r"(?<=://)[^/@\s]+@", "", text)


def _cause(error: BaseException) -> str:
    """What went wrong, without the layers of libraries that it came up through."""
    text = str(error)
    for words in ("Connection refused", "Name or service not known", "Temporary failure in name resolution"):
        if words in text:
            return words
    return "timed out" if "timed out" in text.lower() else _first_line(error)


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return _shown(text.splitlines()[0])[:300] if text else type(error).__name__
