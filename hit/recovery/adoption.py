"""A new run, in the store that is there now, of what a run of a lost store has left on this machine."""

__all__ = ["adopt", "adopt_unknown"]

import contextlib
import logging
import time
from dataclasses import replace
from pathlib import Path

from filelock import Timeout
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NAME

from hit.connection import connect, experiment_id
from hit.connection.store_errors import translated
from hit.delivery.journal import JOURNAL, Journal, Record
from hit.delivery.local_state import lock_run, run_folder
from hit.delivery.ownership import LOST
from hit.delivery.run_description import RunDescription
from hit.errors import RunGone, StoreError
from hit.errors.run_outcomes import RunOutcome
from hit.recovery.undelivered import LocalRun, deliver
from hit.schema import DEFAULT_EXPERIMENT, Tag
from hit.schema.endings import END_TAGS, end_tags
from hit.tracking.run_log import tag_record

_LOG = logging.getLogger(__name__)

#: Tags that were true of the old run alone.
_LEFT_BEHIND = {Tag.UNDELIVERED, Tag.HEARTBEAT, Tag.HOST, Tag.PROCESS, *END_TAGS, MLFLOW_RUN_NAME}
#: Tags that name another run, which may have been adopted, too.
_RELATIVES = (Tag.PARENT, Tag.SWEEP)


def adopt(local: LocalRun, client: MlflowClient, experiment: str = "") -> str:
    """Make a new run of a folder, from the beginning of its journal: params, metrics with their steps and times, tags,
    inputs, and the artifacts that are still in the folder; its id. The folder is the new run's from then on, so that
    `--resume` goes on with it.

    The tag `hit.adopted_from` names the old run. A second try goes on where one was interrupted. A run that belonged
    to one which was adopted before belongs to its new run.

    Args:
        local: the folder.
        client: of the store that is there now.
        experiment: name of the experiment; empty: that of the old run.

    Raises:
        Timeout: a process writes to it now.
        StoreError: the store holds the run, or does not take the new one.
    """
    old, description = local.run_id, local.description
    lock = lock_run(local.folder)
    try:
        if _is_known(client, old):
            raise StoreError(f"adopt must name a run that the store does not hold, got {old!r}, which it holds")
        home = experiment_id(client, experiment or description.experiment or DEFAULT_EXPERIMENT)
        run = _adopted(client, home, old) or _create(client, home, local)
        with contextlib.closing(Journal(local.folder)) as journal:
            journal.append(_changes(client, home, description, journal.status), sync=True)
            journal.mark_sent(0)
        there = RunDescription.of(client, run, description.kind)
        replace(there, tags=description.tags, params=description.params).save(local.folder)
        folder = local.folder.rename(local.folder.with_name(run.info.run_id))
    except StoreError:
        raise
    except Exception as error:
        raise translated(error) from None
    finally:
        lock.release()
    with contextlib.suppress(Timeout):  # another command delivers it already
        deliver(LocalRun(folder, there), client)
    return str(run.info.run_id)


def adopt_unknown(run_id: str, state_dir: Path, experiment: str = "", uri: str | None = None) -> str:
    """The run to go on with in place of one: itself, or a new run of its folder where the store does not know it.

    Raises:
        StoreError: the store does not answer, or does not take the new run.
    """
    folder, client = run_folder(state_dir, run_id), connect(uri)
    if not (folder / JOURNAL).exists() or _is_known(client, run_id, deleted=True):
        return run_id
    new = adopt(LocalRun(folder, RunDescription.read(folder)), client, experiment)
    _LOG.info("run %s is not in the store: what it left here is run %s now", run_id, new)
    return new


def _is_known(client: MlflowClient, run_id: str, *, deleted: bool = False) -> bool:
    """Whether the store holds a run; with `deleted`, also one that somebody has deleted."""
    try:
        stage = client.get_run(run_id).info.lifecycle_stage
    except Exception as error:
        found = translated(error)
        if isinstance(found, RunGone):
            return False
        raise found from None
    return deleted or stage != "deleted"


def _adopted(client: MlflowClient, home: str, old: str) -> Run | None:
    """The run that was made of another one."""
    if not old.replace("-", "").isalnum():
        return None
    return next(iter(client.search_runs([home], f"tags.`{Tag.ADOPTED_FROM}` = '{old}'", max_results=1)), None)


def _create(client: MlflowClient, home: str, local: LocalRun) -> Run:
    description = local.description
    tags = {key: value for key, value in description.tags.items() if key not in _LEFT_BEHIND}
    return client.create_run(
        home,
        start_time=description.started or None,
        run_name=description.name or None,
        tags=tags | {Tag.KIND: description.kind or "train", Tag.ADOPTED_FROM: local.run_id},
    )


def _changes(client: MlflowClient, home: str, description: RunDescription, status: str) -> list[Record]:
    """What is to be told about the new run beyond the journal of the old one."""
    records: list[Record] = [{"kind": "param", "key": key, "value": value} for key, value in description.params.items()]
    for tag in _RELATIVES:
        if (relative := _adopted(client, home, description.tags.get(tag, ""))) is not None:
            records.append({"kind": "tag", "key": str(tag), "value": relative.info.run_id})
    if not status:
        records += [tag_record(*tag) for tag in end_tags(RunOutcome.LOST, LOST).items()]
        records.append({"kind": "status", "status": "FAILED", "time": int(time.time() * 1000)})
    return records
