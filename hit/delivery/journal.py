"""An append-only journal on local disk: what a run wants the store to know, kept until the store knows it."""

__all__ = ["JOURNAL", "Journal", "Record", "read_record"]

import contextlib
import json
import logging
import os
import threading
from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from typing import Any

from hit.delivery.local_state import unwritable, write_whole

_LOG = logging.getLogger(__name__)

#: Name of the file in the run's folder.
JOURNAL = "journal.jsonl"
#: One thing to tell the store. `kind` is metric, param, tag, untag, input, artifact, image, note or status.
Record = dict[str, Any]

#: What a record of each kind holds.
_SHAPES: dict[str, dict[str, type | tuple[type, ...]]] = {
    "metric": {"key": str, "value": (float, int), "step": int, "time": int},
    "param": {"key": str, "value": str},
    "tag": {"key": str, "value": str},
    "untag": {"key": str},
    "input": {"name": str, "digest": str, "profile": dict, "context": str},
    "artifact": {"path": str, "folder": str},
    "image": {"path": str, "key": str},
    "note": {"text": str, "instead_of": str},
    "status": {"status": str, "time": int},
}


class Journal:
    """Lines of JSON in `journal.jsonl`, and in `journal.sent` how many bytes of it the store has.

    A crash or a full disk may leave half a line at the end: it is cut off before anything is appended. A journal
    with lines that cannot be read, as a loss of power leaves them, is put aside under another name, with a line on
    stderr; the lines that can be read are kept. A metric that the journal already holds for a step is not written
    again, so that a resumed run logs no step twice. Several threads may use one journal.

    Args:
        folder: the run's own folder; created.

    Raises:
        StoreError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._path = folder / JOURNAL
        self._sent_path = folder / "journal.sent"
        self._lock = threading.Lock()
        self._file = -1
        self._end = self._sent = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
            self._load()
        except OSError as error:
            self.close()
            raise unwritable(folder, error) from None

    @property
    def unsent(self) -> int:
        """Bytes that the store does not have yet."""
        return self._end - self._sent

    @property
    def status(self) -> str:
        """How the run ended, as the last record that says so; '' where none does."""
        return self._status

    def append(self, records: Iterable[Record], *, sync: bool = False) -> None:
        """Add records, all of them or none; with `sync` they survive a loss of power, too.

        Raises:
            StoreError: the disk is full, or cannot be written to.
        """
        with self._lock:
            steps = set()
            kept = []
            for record in records:
                if record["kind"] == "metric":
                    step = (record["key"], record["step"])
                    if step in self._steps or step in steps:
                        continue
                    steps.add(step)
                kept.append(record)
            data = b"".join(json.dumps(record, separators=(",", ":")).encode() + b"\n" for record in kept)
            try:
                self._write(data)
                if sync:
                    os.fsync(self._file)
            except OSError as error:
                with contextlib.suppress(OSError):
                    os.ftruncate(self._file, self._end)
                raise unwritable(self.folder, error) from None
            self._end += len(data)
            self._note(kept)

    def peek(self, limit: int | None = None) -> list[tuple[Record, int]]:
        """Up to `limit` records that the store does not have, each with the mark to hand to `mark_sent` after it."""
        with self._lock:
            lines = _lines(os.pread(self._file, self._end - self._sent, self._sent))[:limit]
            marks = accumulate(map(len, lines), initial=self._sent)
            next(marks)
            return [(json.loads(line), mark) for line, mark in zip(lines, marks, strict=True)]

    def records(self) -> list[Record]:
        """All of them, from the beginning."""
        with self._lock:
            return [json.loads(line) for line in _lines(os.pread(self._file, self._end, 0))]

    def mark_sent(self, mark: int) -> None:
        """The store has everything before `mark`; 0: it has nothing."""
        with self._lock:
            self._sent = mark
            with contextlib.suppress(OSError):  # on a full disk: sending something once more does no harm
                self._save_sent()

    def set_aside(self) -> None:
        """Keep it under another name: the run is another process's, and nobody is to deliver more of this one's."""
        with contextlib.suppress(OSError):
            self._path.rename(self._path.with_suffix(".taken-over"))

    def close(self) -> None:
        """Release the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _load(self) -> None:
        whole = self._path.read_bytes()
        self._end = whole.rfind(b"\n") + 1
        os.ftruncate(self._file, self._end)
        written = self._read_sent()
        self._sent = whole.rfind(b"\n", 0, min(written, self._end)) + 1
        lines = _lines(whole[: self._end])
        readable = [line.strip(b"\0") for line in lines]  # a loss of power fills gaps with zeros
        records = [read_record(line) for line in readable]
        self._steps: set[tuple[str, int]] = set()
        self._status = ""
        self._note([record for record in records if record is not None])
        if None in records or readable != lines:
            self._mend(lines, [b"" if record is None else line for line, record in zip(readable, records, strict=True)])
        elif written != self._sent:  # a mark beyond the end would count what is appended as sent
            self._save_sent()

    def _mend(self, lines: list[bytes], readable: list[bytes]) -> None:
        """Go on with the readable lines ('' for one that is not), and put the damaged file aside."""
        sent, position = 0, 0
        for line, kept in zip(lines, readable, strict=True):
            position += len(line)
            sent += len(kept) if position <= self._sent else 0
        damaged = _unused(self._path.with_name("journal.damaged"))
        write_whole(damaged, self._path.read_bytes())
        self._sent = sent
        self._save_sent()
        write_whole(self._path, b"".join(readable))
        os.close(self._file)
        self._file = os.open(self._path, os.O_RDWR)
        self._end = sum(map(len, readable))
        _LOG.warning(
            f"the journal of run {self.folder.name} is damaged in {sum(map(bytes.__ne__, lines, readable))} of its "
            f"{len(lines)} lines: what can be read of it is kept, and the damaged file as {damaged}"
        )

    def _write(self, data: bytes) -> None:
        written = 0
        while written < len(data):
            written += os.pwrite(self._file, data[written:], self._end + written)

    def _note(self, records: list[Record]) -> None:
        self._steps.update((record["key"], record["step"]) for record in records if record["kind"] == "metric")
        for record in records:
            if record["kind"] == "status":
                self._status = record["status"]

    def _save_sent(self) -> None:
        write_whole(self._sent_path, str(self._sent).encode())

    def _read_sent(self) -> int:
        try:
            return max(0, int(self._sent_path.read_text()))
        except (OSError, ValueError):
            return 0


def _lines(data: bytes) -> list[bytes]:
    return [line + b"\n" for line in data.split(b"\n")[:-1]]


def read_record(line: bytes) -> Record | None:
    """The record that a line holds; None where it holds none."""
    try:
        record = json.loads(line)
        shape = _SHAPES[record["kind"]]
        return record if all(isinstance(record[name], kind) for name, kind in shape.items()) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _unused(path: Path) -> Path:
    """The path, or with the first number behind it that is not taken."""
    number = 0
    while (candidate := path.with_name(f"{path.name}-{number}.jsonl")).exists():
        number += 1
    return candidate
