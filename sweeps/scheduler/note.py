"""The note of a sweep's run: what came of it and what was asked for, in markdown, which the MLflow UI shows."""

__all__ = ["SweepNote"]

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hit.config import flat_defaults
from hit.config.options import defaults
from hit.config.rates.beta_grid import GRID_DEFAULTS
from hit.tracking import RunWriter
from hit.ui.views import run_page
from sweeps.scheduler.decision_log import DECISIONS
from sweeps.scheduler.progress import Standing
from sweeps.spec.driver_options import ChoosingOptions
from sweeps.spec.launch_options import RunningOptions
from sweeps.spec.request import SweepOptions

_SECONDS_BETWEEN_NOTES = 5.0
#: Told in any case, and first.
_ALWAYS = ("driver", "dataset", "model")


class SweepNote:
    """Writes the note: the UI folds all but its first lines.

    Args:
        run: the sweep's run.
        definition: what the sweep is: name → value; empty values are left out.
    """

    def __init__(self, run: RunWriter, definition: Mapping[str, Any]) -> None:
        self._run = run
        usual = _defaults()
        said = {name: str(value) for name, value in definition.items() if str(value) != ""}
        first = {name: said[name] for name in _ALWAYS if name in said}
        asked = first | {name: text for name, text in said.items() if text != usual.get(name)}
        self._asked = ", ".join(f"`{name}={_code(text)}`" for name, text in asked.items())
        self._left = ", ".join(f"{name}={text}" for name, text in said.items() if name not in asked)
        self._written_at = 0.0

    def write(self, standing: Standing, state: str, *, ended: bool = False) -> None:
        """Write how it stands, or has ended; not more often than every few seconds, unless it has ended."""
        if not ended and time.monotonic() - self._written_at < _SECONDS_BETWEEN_NOTES:
            return
        self._written_at = time.monotonic()
        if ended:
            standing = replace(standing, seconds_left=None)
        links = [f"[decisions]({self._page(self._run.run_id, DECISIONS)})"]
        if standing.best is not None:
            links.insert(0, f"[best run]({self._page(standing.best.run_id)})")
        lines = [f"**{state}**: {standing} ({', '.join(links)})", f"Asked for: {self._asked}"]
        if self._left:
            lines.append(f"<sub>Left at its default: {_plain(self._left)}</sub>")
        self._run.write_note("\n\n".join(lines))

    def _page(self, run_id: str, artifact: str = "") -> str:
        """From one page of the UI to another, wherever it is served."""
        return run_page(self._run.experiment_id, run_id, artifact).removeprefix("/")


def _defaults() -> dict[str, str]:
    """Option → default, as text."""
    values = GRID_DEFAULTS | flat_defaults()
    for options in (SweepOptions, ChoosingOptions, RunningOptions):
        values |= defaults(options)
    return {name: str(value) for name, value in values.items()}


def _code(text: str) -> str:
    """Text that a span of code can hold."""
    return text.replace("`", "'").replace("\n", " ")


def _plain(text: str) -> str:
    """Text that is no markup."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#~" else letter for letter in text)
