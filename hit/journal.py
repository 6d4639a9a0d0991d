"""An append-only journal on local disk: what a run wants the store to know, kept until the store knows it."""

__all__ = ["JOURNAL", "Journal", "Record"]

import contextlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hit.errors import StoreError

#: Name of the file in the run's folder.
JOURNAL = "journal.jsonl"
#: One thing to tell the store. `kind` is metric, param, tag, untag, input, artifact, image, note or status.
Record = dict[str, Any]


class Journal:
    """Lines of JSON in `journal.jsonl`, and in `journal.sent` how many bytes of it the store has.

    A crash may leave half a line at the end: it is cut off when the journal is opened. A metric that
    the journal already holds for a step is not written again, so that a resumed run logs no step twice.

    Args:
        folder: the run's own folder; created.

    Raises:
        StoreError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL
        self._sent_path = folder / "journal.sent"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise StoreError(f"state_dir must be writable, got {folder}: {error.strerror}") from None
        whole = self._path.read_bytes()
        end = whole.rfind(b"\n") + 1
        os.ftruncate(self._file, end)
        self._end = end
        self._sent = min(self._read_sent(), end)
        self._steps = {
            (record["key"], record["step"])
            for record in map(json.loads, whole[:end].splitlines())
            if record["kind"] == "metric"
        }

    def append(self, records: Iterable[Record], *, sync: bool = False) -> None:
        """Add records; with `sync` they survive a loss of power, too."""
        lines = []
        for record in records:
            if record["kind"] == "metric":
                step = (record["key"], record["step"])
                if step in self._steps:
                    continue
                self._steps.add(step)
            lines.append(json.dumps(record, separators=(",", ":")).encode() + b"\n")
        data = b"".join(lines)
        while data:
            written = os.write(self._file, data)
            self._end += written
            data = data[written:]
        if sync:
            os.fsync(self._file)

    @property
    def unsent(self) -> int:
        """Bytes that the store does not have yet."""
        return self._end - self._sent

    def peek(self, limit: int) -> tuple[list[Record], int]:
        """Up to `limit` records that the store does not have, and the mark to hand to `mark_sent`."""
        data = os.pread(self._file, self._end - self._sent, self._sent)
        lines = data.splitlines(keepends=True)[:limit]
        return [json.loads(line) for line in lines], self._sent + sum(map(len, lines))

    def mark_sent(self, mark: int) -> None:
        """The store has everything before `mark`."""
        temporary = self._sent_path.with_suffix(".sent.new")
        temporary.write_text(str(mark))
        os.replace(temporary, self._sent_path)
        self._sent = mark

    def set_aside(self) -> None:
        """Keep it under another name: the run is another process's, and nobody is to deliver more of this one's."""
        with contextlib.suppress(OSError):
            self._path.rename(self._path.with_suffix(".taken-over"))

    def close(self) -> None:
        """Release the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _read_sent(self) -> int:
        try:
            return int(self._sent_path.read_text())
        except (OSError, ValueError):
            return 0
