"""Runs that stand in the store before the process that trains them does."""

__all__ = ["release_run", "reserve_run", "retake_run", "settle_run"]

import contextlib
from collections.abc import Mapping
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Param, RunTag
from mlflow.exceptions import MlflowException

from hit import schema
from hit.connection import experiment_id
from hit.connection.idempotent_creation import create_run
from hit.connection.store_errors import translated
from hit.delivery.ownership import deleted, ownership_tags, remove_end
from hit.errors import Claimed, RunDeleted, RunGone, StoreAway
from hit.errors.run_outcomes import RunOutcome
from hit.schema import Kind, Tag, field_lengths
from hit.schema.endings import end_tags
from hit.schema.experiments import Experiment
from hit.schema.field_lengths import shortened
from hit.store import Store
from hit.tracking.claims import assert_claim, assert_free
from hit.tracking.provenance import source_tags

_PARAMS_A_BATCH = 100


def reserve_run(
    store: Store, experiment: str | Experiment, name: str, params: Mapping[str, Any], tags: Mapping[str, str]
) -> str:
    """A new run of a model, RUNNING and this process's own until the one that trains it takes it over; its id.

    Whoever reads the store from here on sees the model as being trained: this is what claims it.

    Args:
        store: the run store.
        experiment: the experiment, or its name.
        name: shown in the UI.
        params: flat config of the model.
        tags: the model's (`hit.config_hash` among them).

    Raises:
        Claimed: another run of the same config has the better claim, or has trained it; none is left behind.
        RunGone: somebody has deleted the experiment.
        StoreError: the store refuses, or does not answer (`StoreAway`).
    """
    own = {Tag.KIND: Kind.TRAIN, Tag.SCHEMA: schema.SCHEMA_VERSION} | ownership_tags()
    home = experiment_id(store.client, experiment)
    all_tags = {str(key): shortened(str(value), field_lengths.TAG) for key, value in (own | dict(tags)).items()}
    run = create_run(store.client, home, name=shortened(name, field_lengths.NAME), tags=source_tags() | all_tags)
    run_id = str(run.info.run_id)
    # Who trains it logs its params and asks for its claim again, so that a store that is away now is no matter; and
    # who finds it deleted says so.
    with contextlib.suppress(MlflowException):
        logged = [Param(key, shortened(str(value), field_lengths.PARAM)) for key, value in params.items()]
        for start in range(0, len(logged), _PARAMS_A_BATCH):
            store.client.log_batch(run_id, params=logged[start : start + _PARAMS_A_BATCH])
    try:
        assert_claim(store, experiment, tags[Tag.CONFIG_HASH], run_id)
    except Claimed:
        with contextlib.suppress(StoreAway):  # whoever waits for it finds that nothing trains it
            release_run(store.client, run_id)
        raise
    except StoreAway:
        pass
    return run_id


def retake_run(store: Store, experiment: str | Experiment, identity: str, run_id: str) -> None:
    """Make an interrupted run of a model RUNNING and this process's own, until the one that trains it takes it over.

    Call it with the run's folder locked (`hit.delivery.local_state.lock_run`): of two processes that want it,
    one gets it.

    Args:
        store: the run store.
        experiment: the experiment, or its name.
        identity: config hash of the model.
        run_id: the run.

    Raises:
        Claimed: it has been finished or taken over meanwhile, or another run of the same config has.
        RunGone: it has been deleted meanwhile.
        StoreError: the store refuses, or does not answer (`StoreAway`).
    """
    info = store.run(run_id).info
    if info.lifecycle_stage != "active":
        raise RunDeleted(deleted(run_id))
    if info.status not in ("KILLED", "FAILED"):
        raise Claimed(f"run {run_id} is {info.status} by now")
    assert_free(store, experiment, identity, run_id)
    try:
        store.client.log_batch(run_id, tags=[RunTag(key, value) for key, value in ownership_tags().items()])
        store.client.update_run(run_id, status="RUNNING")
    except MlflowException as error:
        raise translated(error) from None
    remove_end(store.client, run_id)  # else a trainer that dies at once would seem to have ended as the one before


def release_run(client: MlflowClient, run_id: str) -> None:
    """Take back a run that measured nothing; one that another process goes on with, or has finished, stays.

    Where the store does not let us delete it, it stays, and says how it ended.

    Raises:
        StoreAway: the store does not answer.
    """
    try:
        run = client.get_run(run_id)
        elsewhere = run.data.tags.get(Tag.PROCESS) != ownership_tags()[Tag.PROCESS]
        if run.info.status == "FINISHED" or (run.info.status == "RUNNING" and elsewhere):
            return
        client.set_terminated(run_id, status="KILLED")
        client.delete_run(run_id)
    except MlflowException as error:
        if isinstance(fault := translated(error), StoreAway):
            raise fault from None


def settle_run(client: MlflowClient, run_id: str, outcome: RunOutcome, reason: str) -> None:
    """End a run that its process did not end itself, with the reason; one that has ended stays as it is.

    A run that somebody has deleted needs no end.

    Raises:
        StoreError: the store refuses, or does not answer (`StoreAway`).
    """
    try:
        run = client.get_run(run_id)
        silent = run.info.status == "FAILED" and Tag.STATUS_REASON not in run.data.tags
        if run.info.status == "RUNNING" or silent:
            client.log_batch(run_id, tags=[RunTag(*tag) for tag in end_tags(outcome, reason).items()])
            client.set_terminated(run_id, status=outcome.status)
    except MlflowException as error:
        fault = translated(error)
        if not isinstance(fault, RunGone):
            raise fault from None
