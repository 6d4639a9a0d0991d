"""What a run is, beside its journal: so that what it measured can be told apart, and brought to another store."""

__all__ = ["RunDescription"]

import contextlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from mlflow import MlflowClient
from mlflow.entities import Run

from hit.delivery.local_state import store_mark, unwritable, write_whole
from hit.errors.redaction import redact

_FILE, _MARK = "run.json", "store"


@dataclass(frozen=True)
class RunDescription:
    """What the journal of a run does not say.

    Attributes:
        kind: what the run is.
        name: of the run.
        experiment: name of its experiment.
        started: when it began, milliseconds since 1970.
        address: of its store, without credentials.
        mark: that tells its store from others (`hit.delivery.local_state.store_mark`).
        tags: that it had when it was begun.
        params: that it had when it was begun.
    """

    kind: str = ""
    name: str = ""
    experiment: str = ""
    started: int = 0
    address: str = ""
    mark: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, client: MlflowClient, run: Run, kind: str) -> Self:
        """Of a run in the store."""
        experiment, uri = "", str(client.tracking_uri)
        with contextlib.suppress(Exception):  # the run can do without
            experiment = str(client.get_experiment(run.info.experiment_id).name)
        return cls(
            kind=kind,
            name=run.info.run_name or "",
            experiment=experiment,
            started=run.info.start_time,
            address=redact(uri),
            mark=store_mark(uri),
            tags=dict(run.data.tags),
            params=dict(run.data.params),
        )

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Of a run's folder; what is not known there is empty."""
        found: dict[str, Any] = {}
        with contextlib.suppress(OSError, ValueError, RecursionError, AttributeError):
            read = json.loads((folder / _FILE).read_text())
            default = asdict(cls())
            found = {name: read[name] for name in default if isinstance(read.get(name), type(default[name]))}
        for name in ("tags", "params"):
            found[name] = {key: value for key, value in found.get(name, {}).items() if isinstance(value, str)}
        with contextlib.suppress(OSError, ValueError):
            found["mark"] = (folder / _MARK).read_text().strip()
        return cls(**found)

    def save(self, folder: Path) -> None:
        """Write them into a run's folder.

        Raises:
            StoreError: it cannot be written to, or the disk is full.
        """
        try:
            write_whole(folder / _FILE, (json.dumps(asdict(self), indent=2) + "\n").encode())
            write_whole(folder / _MARK, self.mark.encode())
        except OSError as error:
            raise unwritable(folder, error) from None
