"""Items that the store refused, kept beside the journal until it takes them."""

__all__ = ["REFUSED_FILE", "RefusedItems", "described"]

import json
from collections.abc import Collection
from pathlib import Path

from hit.delivery.journal import Record, read_record
from hit.delivery.local_state import unwritable, write_whole

#: Name of the file in the run's folder.
REFUSED_FILE = "aside.jsonl"
_LONGEST_TEXT = 500


class RefusedItems:
    """Records that the store refused, with the reason, in `aside.jsonl`.

    Args:
        folder: the run's own folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / REFUSED_FILE
        self.items: list[tuple[Record, str]] = []
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            lines = []
        except OSError as error:
            raise unwritable(folder, error) from None
        for line in lines:
            if (record := read_record(line)) is not None:
                self.items.append((record, str(record.pop("why", ""))))

    def replace(self, items: Collection[tuple[Record, str]]) -> None:
        """Keep these from now on.

        Raises:
            StoreError: the disk is full, or cannot be written to.
        """
        lines = [json.dumps({**record, "why": why}, separators=(",", ":")) + "\n" for record, why in items]
        try:
            if lines:
                write_whole(self._path, "".join(lines).encode())
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(self._folder, error) from None
        self.items = list(items)

    def add(self, items: Collection[tuple[Record, str]]) -> None:
        """Keep these, too; of one that is kept already, the newer reason.

        Raises:
            StoreError: the disk is full, or cannot be written to.
        """
        new = [record for record, _ in items]
        self.replace([item for item in self.items if item[0] not in new] + list(items))

    def __str__(self) -> str:
        """Items by their reasons, shortened; '' where there are none."""
        reasons: dict[str, list[str]] = {}
        for record, why in self.items:
            reasons.setdefault(why, []).append(described(record))
        text = "; ".join(f"{', '.join(items)}: {why}" for why, items in reasons.items())
        return text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"


def described(record: Record) -> str:
    """A record in words: 'artifact model/weights.safetensors'."""
    match record["kind"]:
        case "artifact":
            return f"artifact {'/'.join(part for part in (record['folder'], Path(record['path']).name) if part)}"
        case "image":
            return f"artifact images/{record['key']}"
        case "metric":
            return f"metric {record['key']} of step {record['step']}"
        case "input":
            return f"data set {record['name']}"
        case "status":
            return f"status {record['status']}"
        case "note":
            return "note"
        case kind:
            return f"{'tag' if kind == 'untag' else kind} {record['key']}"
