"""The way to the run store: whether it answers, and which of its experiments a command works in."""

__all__ = [
    "chosen_experiment",
    "connect",
    "experiment_id",
    "experiment_of",
    "found_experiment",
]

import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from hit.connection.addresses import is_database, named_by, sqlite_path, sqlite_uri, tracking_uri
from hit.connection.first_use import alone_in_database, has_tables, settles, until_made
from hit.connection.reachability import open_sqlite, probe_database, probe_server
from hit.connection.store_errors import first_line, translated
from hit.errors import RunGone, StoreAway, StoreError, StoreRefused
from hit.errors.redaction import redact, redact_logs
from hit.schema import DEFAULT_EXPERIMENT
from hit.schema.experiments import Experiment

_PERMANENT = {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS", "BAD_REQUEST"}
_DB_LOCK_SECONDS = 120
#: MLflow's own variable for where it keeps artifacts.
_ROOT = "_MLFLOW_SERVER_ARTIFACT_ROOT"
_TRIES = 5
_LOG = logging.getLogger(__name__)


def connect(uri: str | None = None) -> MlflowClient:
    """A client of a store that answers.

    Several processes may use a new database at the same moment: a lock lets one of them make its tables. A store that
    is there is only read: it may be one that we may not write to.

    Args:
        uri: its address; see `hit.connection.addresses.tracking_uri`.

    Raises:
        StoreAway: the store does not answer.
        StoreRefused: it refuses, or cannot be used from here.
        StoreError: its address is none, or it cannot be made.
    """
    address = tracking_uri(uri)
    path, by = sqlite_path(address), named_by(uri)
    if path is not None and uri is None and os.environ.get("MLFLOW_RUN_ID") and not os.path.exists(path):
        raise StoreError(
            f"the store of `mlflow run` must hold its run, got {path}, which is not there: `mlflow run` starts "
            "commands in the project's folder, so give the file of an SQLite store with its whole path"
        )
    redact_logs("mlflow", "alembic", "sqlalchemy")
    if redact(address) != address:  # MLflow prints addresses of runs that end, with the password
        os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    try:
        if path is not None:
            return _open_file(path, address, by)
        if is_database(address):
            return _open_database(address)
        if address.startswith(("http://", "https://")):
            probe_server(address)
            return MlflowClient(address)
        return until_made(lambda: _ask(address))
    except StoreAway as error:
        raise StoreAway(f"tracking server must answer, got no answer from {redact(address)}{by}: {error}") from None
    except StoreRefused as error:
        raise StoreRefused(f"tracking store {redact(address)}{by} cannot be used: {error}") from None


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
            said = translated(error)
            if isinstance(said, StoreRefused) or (attempt == _TRIES - 1 and isinstance(said, StoreAway)):
                raise said from None
            if attempt == _TRIES - 1:
                raise StoreError(f"experiment {name!r} cannot be created: {first_line(error)}") from None
            # Somebody else created it between our two questions, or the answer was lost: we look again.
            time.sleep(0.1 * 2**attempt)
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


def _open_file(path: Path, address: str, by: str) -> MlflowClient:
    try:
        if path.exists() and not path.is_file():
            raise StoreError(f"tracking store must be a file, got the folder {path}{by}")
        if path.exists() and path.stat().st_size and has_tables(open_sqlite(path)):
            return until_made(lambda: _ask(address))
        if not _takes_files(path.parent):
            raise StoreError(f"tracking store must lie in a writable directory, got {path}{by}")
        with _locked(path):
            if not path.exists():
                _make_file(path, address)
            if not settles(lambda: has_tables(open_sqlite(path)), path):
                return until_made(lambda: _first_ask(address, address))
            return until_made(lambda: _ask(address))
    except OSError as error:
        raise StoreRefused(error.strerror or str(error)) from None


def _takes_files(folder: Path) -> bool:
    """Whether files can be made in a folder, which the rights alone do not tell (of root, on a full disk, in /proc)."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock beside an SQLite file; where none can be made, do without: `until_made` waits for others, too."""
    lock = FileLock(f"{path}.lock", timeout=_DB_LOCK_SECONDS)
    try:
        lock.acquire()
    except Timeout:
        raise StoreAway("another process has been making its tables for minutes") from None
    except (OSError, NotImplementedError) as error:
        _LOG.debug("no lock beside %s: %s", path, error)
    try:
        yield
    finally:
        lock.release()


def _open_database(address: str) -> MlflowClient:
    engine = probe_database(address)
    if has_tables(engine):
        return until_made(lambda: _ask(address))
    try:
        with alone_in_database(engine):
            return until_made(lambda: _first_ask(address, address))
    except StoreError:
        raise
    except Exception as error:
        raise translated(error) from None


def _ask(address: str) -> MlflowClient:
    client = MlflowClient(address)
    client.search_experiments(max_results=1)
    return client


def _make_file(path: Path, address: str) -> None:
    """Make the tables in a file of our own, which gets its name once it is whole: MLflow's own client, which knows no
    lock, either finds it or makes its own, and two never work at one file.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".hit-") as scratch:
        made = Path(scratch) / path.name
        _first_ask(sqlite_uri(made), address)
        try:
            os.link(made, path)
        except FileExistsError:  # somebody else's was first
            pass
        except OSError:  # a file system without links
            os.replace(made, path)


def _first_ask(address: str, home: str) -> MlflowClient:
    """Ask, and make the tables of a store that will be at `home`.

    MLflow writes the path of its default experiment into its SQL as it is, quotes and all; an address is taken as one.
    """
    asked = os.environ.get(_ROOT)
    os.environ[_ROOT] = asked or _artifacts(home).as_uri()
    try:
        return _ask(address)
    finally:
        if not asked:
            del os.environ[_ROOT]


def _artifacts(address: str) -> Path:
    """Beside the SQLite file, wherever the process stands, or in this folder for another database."""
    path = sqlite_path(address)
    return (path.parent if path is not None else Path.cwd()) / "mlruns"


def _artifact_location(client: MlflowClient, name: str) -> str | None:
    """Of a new experiment in a database; a server decides for itself."""
    address = str(client.tracking_uri)
    if not is_database(address) or (sqlite_path(address) is None and _ROOT in os.environ):
        return None
    folder = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
    return (_artifacts(address) / folder).as_uri()
