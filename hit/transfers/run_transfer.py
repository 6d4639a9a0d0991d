"""A transfer: what the target lacks of each run, told so that telling it twice does no harm."""

__all__ = ["Transferred", "transfer_runs"]

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag

from hit.connection import experiment_id
from hit.connection.store_errors import translated
from hit.errors import StoreAway, StoreError
from hit.schema import Tag
from hit.store import Point, Store
from hit.transfers.artifact_copies import copy_artifacts
from hit.transfers.run_ids import RunIds

ItemT = TypeVar("ItemT")

#: Tags that name another run of the same store.
_RELATIVES = (Tag.PARENT, Tag.SWEEP, Tag.AMORTISED, Tag.INIT_FROM, Tag.CONTINUED_FROM, Tag.ADOPTED_FROM, Tag.JUDGE_RUN)
#: Tags that are told last: before them a run is of no kind, and no command takes it for a model.
_LAST = (Tag.KIND,)
#: Tags that were true in the source alone.
_LEFT_BEHIND = (Tag.TRANSFERRED_FROM, Tag.TRANSFERRED_STATE, Tag.CREATION_KEY, Tag.HEARTBEAT)
_METRICS_A_BATCH, _OTHERS_A_BATCH = 1000, 100
_ENDED = ("FINISHED", "FAILED", "KILLED")


@dataclass(frozen=True)
class Transferred:
    """What became of one run.

    Attributes:
        run: of the source.
        text: one line for people.
        failed: whether the target lacks something of it that it should have.
        changed: whether the target was, or in a dry run would be, changed.
    """

    run: Run
    text: str
    failed: bool = False
    changed: bool = False


def transfer_runs(
    source: Store, target: Store, runs: Sequence[Run], experiment: str, *, dry_run: bool = False
) -> Iterator[Transferred]:
    """Bring runs into an experiment of another store, one after the other, with params, metrics and their histories,
    tags, inputs and artifacts.

    A run that is there as it is here is left alone. One that is there in an earlier state gets what it lacks; where
    both have a tag or an artifact, the source's stays. One that still runs is left for later. What was interrupted
    goes on when it is begun again.

    Args:
        source: the store to read.
        target: the store to write to.
        runs: of the source.
        experiment: name of the target's experiment, made where there is none.
        dry_run: only tell what would be done.

    Raises:
        StoreAway: a store does not answer. What is wrong with one run is told of it, and the next one follows.
    """
    client = target.client
    found = target.experiment(experiment).id
    if not found and not dry_run:
        found = experiment_id(client, experiment)
    ids = RunIds(client, found) if found else None
    if ids is not None:
        ids.recognise(runs)
    for run in sorted(runs, key=lambda one: one.info.start_time or 0):  # relatives are older
        try:
            yield _transferred(source, target, run, ids, dry_run=dry_run)
        except StoreAway:
            raise
        except StoreError as error:
            yield Transferred(run, f"error: {error}", failed=True)


def _transferred(source: Store, target: Store, run: Run, ids: RunIds | None, *, dry_run: bool) -> Transferred:
    if run.info.status not in _ENDED:
        return Transferred(run, f"left out: it is {run.info.status}; transfer it once it has ended")
    there = ids.find(str(run.info.run_id)) if ids else None
    if there is not None and there.data.tags.get(Tag.TRANSFERRED_STATE) == _state(run, ids):
        return Transferred(run, "it is there already")
    if there is not None and _state(there) == _state(run):
        return Transferred(run, "it is there already")
    if dry_run or ids is None:
        return Transferred(run, "would be completed" if there else "would be new", changed=True)
    new = there is None
    if there is None:
        there = ids.make(run)
    try:
        _complete(source, target, run, there, ids)
        files = copy_artifacts(run, str(source.client.tracking_uri), there, str(target.client.tracking_uri))
        _end(target.client, run, there, ids)
    except StoreError:
        raise
    except Exception as error:
        raise translated(error) from None
    under = "" if there.info.run_id == run.info.run_id else f" as {there.info.run_id}"
    count = "1 artifact" if files == 1 else f"{files} artifacts"
    return Transferred(run, f"{'new' if new else 'completed'}{under}, {count}", changed=True)


def _complete(source: Store, target: Store, run: Run, there: Run, ids: RunIds) -> None:
    """Params, metrics, inputs and tags that the target's run lacks, in this order.

    Raises:
        StoreError: a param is there with another value.
    """
    client, run_id = target.client, str(there.info.run_id)
    for key, value in run.data.params.items():
        if (held := there.data.params.get(key, value)) != value:
            raise StoreError(f"its param {key} must be {held!r}, as in the target, got {value!r}")
    params = [Param(key, value) for key, value in run.data.params.items() if key not in there.data.params]
    for some in _batches(params, _OTHERS_A_BATCH):
        client.log_batch(run_id, params=some)
    points = _missing(source, target, run, there)
    for part in _batches(points, _METRICS_A_BATCH):
        client.log_batch(run_id, metrics=[Metric(one.metric, one.value, one.timestamp, one.step) for one in part])
    if run.inputs is not None and run.inputs.dataset_inputs:
        client.log_inputs(run_id, datasets=run.inputs.dataset_inputs)
    tags = {key: value for key, value in _tags(run, ids).items() if key not in _LAST}
    _log_tags(client, run_id, {key: value for key, value in tags.items() if there.data.tags.get(key) != value})


def _missing(source: Store, target: Store, run: Run, there: Run) -> list[Point]:
    """Every logged value that the target's run lacks, oldest first, so that the latest stays the latest."""
    names = sorted(run.data.metrics)
    held = {_place(one) for one in target.histories([str(there.info.run_id)], sorted(there.data.metrics))}
    found = [one for one in source.histories([str(run.info.run_id)], names) if _place(one) not in held]
    return sorted(found, key=lambda one: (one.step, one.timestamp))


def _place(point: Point) -> tuple[Any, ...]:
    """What tells two values of a run apart; NaN is equal to itself here."""
    return point.metric, point.step, point.timestamp, repr(point.value)


def _end(client: MlflowClient, run: Run, there: Run, ids: RunIds) -> None:
    """Say how the run ended and of which kind it is: from here on it is a model like any other."""
    run_id = str(there.info.run_id)
    client.set_terminated(run_id, status=run.info.status, end_time=run.info.end_time)
    last = {str(tag): value for tag, value in _tags(run, ids).items() if tag in _LAST}
    own = {str(Tag.TRANSFERRED_FROM): str(run.info.run_id), str(Tag.TRANSFERRED_STATE): _state(run, ids)}
    _log_tags(client, run_id, last | own)


def _log_tags(client: MlflowClient, run_id: str, tags: dict[str, str]) -> None:
    for some in _batches(list(tags.items()), _OTHERS_A_BATCH):
        client.log_batch(run_id, tags=[RunTag(key, value) for key, value in some])


def _batches(items: list[ItemT], size: int) -> Iterator[list[ItemT]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]


def _tags(run: Run, ids: RunIds | None = None) -> dict[str, str]:
    """The run's tags as the target has them: relatives by the ids that they have there."""
    tags = {key: value for key, value in run.data.tags.items() if key not in _LEFT_BEHIND}
    return tags if ids is None else {key: ids[value] if key in _RELATIVES else value for key, value in tags.items()}


def _state(run: Run, ids: RunIds | None = None) -> str:
    """A digest of what the store tells of a run at a glance: it changes whenever something is logged."""
    info = run.info
    told = [info.status, info.end_time, run.data.params, run.data.metrics, _tags(run, ids)]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
