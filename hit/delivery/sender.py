"""Telling the store records of a journal, so that telling one twice does no harm."""

__all__ = ["Refused", "batch_of", "send"]

import json
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag
from PIL import Image

from hit.connection.store_errors import translated
from hit.delivery.journal import Record
from hit.delivery.refused_items import described
from hit.errors import ItemRefused, RunGone
from hit.ui.run_notes import put_note

_PARAMS_A_BATCH = 100
#: Longer side of the small copy that the UI's image grid shows, pixels.
_SMALL_IMAGE = 256
#: MLflow's tag on runs with pictures for the image grid.
_LOGGED_IMAGES = "mlflow.loggedImages"

#: Records that the store does not take, each with the reason.
Refused = list[tuple[Record, str]]


def batch_of(record: Record) -> str:
    """The name of the batches that a record is sent in; '' for one that is sent alone."""
    return "values" if _CHANNELS[record["kind"]] is _send_batch else ""


def send(client: MlflowClient, run_id: str, folder: Path, records: Iterable[Record], done: set[str]) -> Refused:
    """Tell the store these records, in order; those that it refuses, each with the reason.

    What is told twice stands there once: metrics and params by their value, files by their name.

    Args:
        client: of the store.
        run_id: the run.
        folder: the run's own folder, which relative paths of files start from.
        records: of its journal.
        done: names of files of a picture that the store has already, to be left out; they are added here.

    Raises:
        StoreAway: the store does not answer.
        StoreRefused: the store does not let us.
        RunGone: the run is not there any more.
    """
    target = _Target(client, run_id, folder, done)
    refused: Refused = []
    for tell, group in groupby(records, key=lambda record: _CHANNELS[record["kind"]]):
        refused += tell(target, list(group))
    return refused


@dataclass(frozen=True)
class _Target:
    client: MlflowClient
    run_id: str
    folder: Path
    done: set[str]

    def ask(self, item: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> None:
        try:
            call(self.run_id, *arguments, **named)
        except Exception as error:  # each kind of artifact store has its own
            raise translated(error, item=item) from None

    def file(self, record: Record) -> Path:
        """The file of a record, also where the folder has moved since it was written."""
        path = self.folder / record["path"]
        at = [index for index, part in enumerate(path.parts) if part == "runs"]
        return path if path.is_file() or not at else self.folder.joinpath(*path.parts[at[-1] + 2 :])


def _send_batch(target: _Target, records: list[Record]) -> Refused:
    """One question for all; halves of them where it is refused, so that what is at fault is found."""
    try:
        _log_batch(target, records)
        return []
    except ItemRefused as error:
        if len(records) == 1:
            return [(records[0], _reason(records[0], error))]
    half = len(records) // 2
    return _send_batch(target, records[:half]) + _send_batch(target, records[half:])


def _log_batch(target: _Target, records: list[Record]) -> None:
    item = described(records[0])
    metrics = [Metric(r["key"], r["value"], r["time"], r["step"]) for r in records if r["kind"] == "metric"]
    params = [Param(r["key"], r["value"]) for r in records if r["kind"] == "param"]
    tags = [RunTag(r["key"], r["value"]) for r in records if r["kind"] == "tag"]
    for start in range(0, max(len(params), len(tags), 1), _PARAMS_A_BATCH):
        some = slice(start, start + _PARAMS_A_BATCH)
        target.ask(
            item, target.client.log_batch, metrics=metrics if start == 0 else [], params=params[some], tags=tags[some]
        )


def _one_by_one(tell: Callable[[_Target, Record], None]) -> Callable[[_Target, list[Record]], Refused]:
    def tell_all(target: _Target, records: list[Record]) -> Refused:
        refused: Refused = []
        for record in records:
            try:
                tell(target, record)
            except ItemRefused as error:
                refused.append((record, _reason(record, error)))
        return refused

    return tell_all


def _reason(record: Record, error: ItemRefused) -> str:
    return str(error).removeprefix(f"{described(record)}: ")


@_one_by_one
def _remove_tag(target: _Target, record: Record) -> None:
    try:
        target.ask(described(record), target.client.delete_tag, record["key"])
    except RunGone as error:
        if "No tag with name" not in str(error):  # it may have been removed already
            raise


@_one_by_one
def _send_input(target: _Target, record: Record) -> None:
    dataset = Dataset(
        name=record["name"],
        digest=record["digest"],
        source_type="hit",
        source=json.dumps({"dataset": record["name"]}),
        profile=json.dumps(record["profile"]),
    )
    entry = DatasetInput(dataset, [InputTag("mlflow.data.context", record["context"])])
    for patience in (0.1, 0.3, 1.0, 0.0):
        try:
            target.ask(described(record), target.client.log_inputs, [entry])
            break
        except ItemRefused:
            # MLflow looks for the data set and then adds it: of two runs that begin at once one is refused.
            if not patience:
                raise
            time.sleep(patience)


@_one_by_one
def _send_artifact(target: _Target, record: Record) -> None:
    path = target.file(record)
    if path.is_file():  # a file that is gone was delivered before the mark could be written
        target.ask(described(record), target.client.log_artifact, str(path), record["folder"] or None)


@_one_by_one
def _send_image(target: _Target, record: Record) -> None:
    """What `MlflowClient.log_image` does, under names that the record alone decides.

    The UI takes an image's key, step and time from its name, `images/KEY+step+0+timestamp+MS+UUID.png`, and shows the
    small copy beside it, `….webp`.
    """
    item = described(record)
    path = target.file(record)
    if not path.is_file():
        return
    taken = record.get("time", 0)
    number = uuid.uuid5(uuid.NAMESPACE_OID, f"{target.run_id}/{record['key']}")
    stem = f"{record['key'].replace('/', '~')}+step+0+timestamp+{taken}+{number}"
    with tempfile.TemporaryDirectory() as scratch:
        whole, small = Path(scratch, f"{stem}.png"), Path(scratch, f"{stem}+compressed.webp")
        try:
            shutil.copyfile(path, whole)
            with Image.open(path) as image:
                scale = _SMALL_IMAGE / max(image.size)
                width, height = (max(1, int(side * scale)) for side in image.size)
                image.resize((width, height)).save(small)
        except (OSError, ValueError) as error:
            raise translated(error, item=item) from None
        for file in (whole, small):
            if file.name not in target.done:
                target.ask(item, target.client.log_artifact, str(file), "images")
                target.done.add(file.name)
    target.ask(item, target.client.set_tag, _LOGGED_IMAGES, "True")


@_one_by_one
def _send_note(target: _Target, record: Record) -> None:
    target.ask(described(record), partial(put_note, target.client), record["text"], record["instead_of"])


def _send_status(target: _Target, records: list[Record]) -> Refused:
    record = records[-1]
    try:
        target.ask(described(record), target.client.set_terminated, status=record["status"], end_time=record["time"])
    except ItemRefused as error:
        return [(record, _reason(record, error))]
    return []


_CHANNELS: dict[str, Callable[[_Target, list[Record]], Refused]] = {
    "metric": _send_batch,
    "param": _send_batch,
    "tag": _send_batch,
    "untag": _remove_tag,
    "input": _send_input,
    "artifact": _send_artifact,
    "image": _send_image,
    "note": _send_note,
    "status": _send_status,
}
