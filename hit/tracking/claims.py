"""Who trains a config where several want to: the run that was begun first."""

__all__ = ["Claim", "assert_claim", "assert_free"]

import contextlib

from mlflow.entities import Run

from hit.errors import Claimed, StoreAway
from hit.schema import Kind, Tag
from hit.schema.experiments import Experiment
from hit.store import Store
from hit.store.run_liveness import is_lost


class Claim:
    """The claim of a run to its config: asked for when the run has begun, and once more after its first epoch.

    Args:
        store: the run store.
        experiment: the experiment, or its name.
        identity: config hash.
        run_id: the run.

    Raises:
        Claimed: another run has trained the config, or has the better claim.
        StoreAway: the store does not answer.
    """

    def __init__(self, store: Store, experiment: str | Experiment, identity: str, run_id: str) -> None:
        self._asked = store, experiment, identity, run_id
        self._is_settled = False
        assert_claim(*self._asked)

    def confirm(self) -> None:
        """Ask once more, after an epoch; a store that is away is asked after the next one.

        Raises:
            Claimed: a run that was begun earlier has come to the store since.
        """
        if not self._is_settled:
            with contextlib.suppress(StoreAway):
                assert_claim(*self._asked)
                self._is_settled = True


def assert_claim(store: Store, experiment: str | Experiment, identity: str, run_id: str) -> None:
    """Return if this run may train the config; it claims it by existing.

    Of the live runs of a config the one that was begun first has it, and of two begun in one millisecond the one
    with the lower id: everybody who asks after all of them exist gets the same answer. A run must ask when it
    has begun, and again a while later, for one that was begun earlier may have come to the store after it.

    Args:
        store: the run store.
        experiment: the experiment, or its name.
        identity: config hash (tag `hit.config_hash`).
        run_id: who asks; in the store, RUNNING, with that hash.

    Raises:
        Claimed: another run has trained it, or has the better claim.
        StoreAway: the store does not answer.
    """
    runs = _of_config(store, experiment, identity, run_id)
    claims = {
        (run.info.start_time, run.info.run_id)
        for run in runs
        if run.info.status == "RUNNING" and (run.info.run_id == run_id or not is_lost(run))
    }
    _, first = min(claims, default=(0, run_id))
    if first != run_id:
        raise Claimed(f"run {first} is training this model already")


def assert_free(store: Store, experiment: str | Experiment, identity: str, run_id: str) -> None:
    """Return if no other run trains the config or has trained it, whenever it was begun.

    For an interrupted run that is to go on: though it was begun first, it has to leave the model to a run that
    was begun since and no longer asks.

    Args:
        store: the run store.
        experiment: the experiment, or its name.
        identity: config hash.
        run_id: the interrupted run.

    Raises:
        Claimed: another run trains it, or has trained it.
        StoreAway: the store does not answer.
    """
    for run in _of_config(store, experiment, identity, run_id):
        if run.info.run_id != run_id and run.info.status == "RUNNING" and not is_lost(run):
            raise Claimed(f"run {run.info.run_id} is training this model already")


def _of_config(store: Store, experiment: str | Experiment, identity: str, run_id: str) -> list[Run]:
    """The runs of a config, none of them, but for `run_id`, FINISHED; a run that is alone is not looked at."""
    where = f"tags.`{Tag.CONFIG_HASH}` = '{identity}'"
    if store.run_ids(experiment, where=where, kind=Kind.TRAIN) == [run_id]:
        return []
    runs = list(store.runs(experiment, where=where, kind=Kind.TRAIN))
    for run in runs:
        if run.info.status == "FINISHED" and run.info.run_id != run_id:
            raise Claimed(f"run {run.info.run_id} has trained this model already")
    return runs
