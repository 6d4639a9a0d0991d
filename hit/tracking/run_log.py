"""What a run is told while it goes on: params, metrics, tags, inputs, artifacts and pictures."""

__all__ = ["RunLog", "metric_record", "note_record", "tag_record"]

import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hit import schema
from hit.delivery import Delivery
from hit.delivery.journal import Record
from hit.delivery.local_state import unwritable, write_whole
from hit.schema import field_lengths
from hit.schema.field_lengths import shortened


class RunLog:
    """Everything goes through a journal on local disk (`hit.delivery`).

    Args:
        delivery: of the run.
        folder: the run's own folder.
        known_params: that the store has already.
        begun: when the run began, milliseconds since 1970.
    """

    def __init__(self, delivery: Delivery, folder: Path, known_params: Iterable[str], begun: int) -> None:
        self.folder = folder
        self._delivery = delivery
        self._known_params = set(known_params)
        self._long_params: dict[str, str] = {}
        self._begun = begun

    def params(self, values: Mapping[str, Any]) -> None:
        """Log params. MLflow keeps the first value of a key: what `mlflow run` logged as typed stays.

        A value that is longer than stores take is shortened (`hit.schema.field_lengths`); the whole is in
        `long_params.json`.
        """
        texts = {key: str(value) for key, value in values.items() if key not in self._known_params}
        short = {key: shortened(text, field_lengths.PARAM) for key, text in texts.items()}
        self._append([{"kind": "param", "key": key, "value": text} for key, text in short.items()])
        self._known_params.update(values)
        if short != texts:
            self._long_params |= {key: text for key, text in texts.items() if short[key] != text}
            self.json_artifact("long_params.json", self._long_params)

    def metrics(self, values: Mapping[str, float], step: int = 0, *, sync: bool = False) -> None:
        """Log declared metrics of one step; one that is not finite is left out.

        Raises:
            KeyError: a name is not declared in `hit.schema`.
            RunDeleted, TakenOver: the run is not there any more, or not ours.
            StoreError: the disk of the state directory is full.
        """
        self._delivery.check()
        self._append(
            (metric_record(key, value, step) for key, value in values.items() if math.isfinite(value)), sync=sync
        )

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        self._append(tag_record(key, value) for key, value in values.items())

    def write_note(self, text: str, instead_of: str = "") -> None:
        """Set the run's note, in markdown, unless a person has written or edited it.

        Args:
            text: the note.
            instead_of: a note of ours that may stand there (`hit.ui.run_notes.put_note`).
        """
        self._append([note_record(text, instead_of)])

    def untag(self, names: Iterable[str]) -> None:
        """Remove tags, those that are there."""
        self._append([{"kind": "untag", "key": str(name)} for name in names])

    def dataset(self, name: str, digest: str, profile: Mapping[str, Any], context: str = "training") -> None:
        """Log the data set as the run's input."""
        name, digest = shortened(name, field_lengths.DATASET), shortened(digest, field_lengths.DIGEST)
        self._append([{"kind": "input", "name": name, "digest": digest, "profile": dict(profile), "context": context}])

    def artifact(self, path: Path, folder: str = "") -> None:
        """Log a file; it must stay where it is until the run has ended (`self.folder` is the place for it)."""
        self._append([{"kind": "artifact", "path": self._relative(path), "folder": folder}])

    def json_artifact(self, name: str, value: Any, folder: str = "") -> None:
        """Log a value as a JSON file.

        Raises:
            StoreError: the disk of the state directory is full.
        """
        path = self.folder / name
        try:  # whoever sends it now, sends a whole file
            write_whole(path, (json.dumps(value, indent=2, sort_keys=True) + "\n").encode())
        except OSError as error:
            raise unwritable(self.folder, error) from None
        self.artifact(path, folder)

    def image(self, path: Path, key: str) -> None:
        """Log a picture for the UI's image grid, where the pictures of this key of several runs stand side by side."""
        # The time is part of the picture's name in the store: that of the run, so that another try overwrites it.
        self._append([{"kind": "image", "path": self._relative(path), "key": key, "time": self._begun}])

    def _relative(self, path: Path) -> str:
        """A file by its path in the run's folder, which may move, or else by its absolute one."""
        path = path.absolute()
        return str(path.relative_to(self.folder) if path.is_relative_to(self.folder) else path)

    def _append(self, records: Iterator[Record] | list[Record], *, sync: bool = False) -> None:
        self._delivery.append(list(records), sync=sync)


def metric_record(name: str, value: float, step: int) -> Record:
    return {
        "kind": "metric",
        "key": schema.metric(name).name,
        "value": float(value),
        "step": step,
        "time": int(time.time() * 1000),
    }


def tag_record(name: str, value: str) -> Record:
    return {"kind": "tag", "key": str(name), "value": shortened(str(value), field_lengths.TAG)}


def note_record(text: str, instead_of: str = "") -> Record:
    return {
        "kind": "note",
        "text": shortened(text, field_lengths.TAG),
        "instead_of": shortened(instead_of, field_lengths.TAG),
    }
