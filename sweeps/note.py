"""The note of a sweep's run: what it is and how it stands, in markdown, which the MLflow UI shows."""

__all__ = ["SweepNote"]

import time
from collections.abc import Mapping
from typing import Any

from hit.tracking import RunWriter
from sweeps.progress import Standing

_SECONDS_BETWEEN_NOTES = 5.0


class SweepNote:
    """Writes the note.

    Args:
        run: the sweep's run.
        definition: what the sweep is: name → value; empty values are left out.
    """

    def __init__(self, run: RunWriter, definition: Mapping[str, Any]) -> None:
        self._run = run
        self._definition = {name: str(value) for name, value in definition.items() if str(value) != ""}
        self._written_at = 0.0

    def write(self, standing: Standing, state: str, *, now: bool = False) -> None:
        """Write how it stands; not more often than every few seconds, unless `now`."""
        if not now and time.monotonic() - self._written_at < _SECONDS_BETWEEN_NOTES:
            return
        self._written_at = time.monotonic()
        lines = [f"**{state}**: {standing}"]
        if standing.best is not None:
            lines.append(f"The run with the best value is `{standing.best.run_id}`.")
        lines.append("Its decisions stand in the table `decisions.json` (artifacts).")
        rows = [f"| {_cell(name)} | {_cell(value)} |" for name, value in self._definition.items()]
        self._run.write_note("\n\n".join([*lines, "\n".join(["| parameter | value |", "|---|---|", *rows])]))


def _cell(text: str) -> str:
    """Text that a table's cell can hold."""
    return text.replace("|", "\\|").replace("\n", " ")
