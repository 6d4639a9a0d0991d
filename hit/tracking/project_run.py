"""The run that `mlflow run` makes for a command that begins none of its own."""

__all__ = ["project_run", "project_run_id"]

import contextlib
import os
from pathlib import Path

from hit.processes.stop import StopRequest
from hit.schema import Kind
from hit.tracking.run_writer import RunWriter


def project_run_id() -> str:
    """Id of the run that `mlflow run` has made for this command; '' where somebody called it otherwise."""
    return os.environ.get("MLFLOW_RUN_ID", "")


def project_run(
    kind: Kind, *, name: str = "", state_dir: Path, stop: StopRequest
) -> contextlib.AbstractContextManager[object]:
    """A context whose end is how that run ends; nothing where there is none.

    Args:
        kind: what the run is.
        name: shown in the UI where the run was given none; empty: the kind.
        state_dir: folder for its journal.
        stop: told about by SIGTERM and Ctrl-C.
    """
    if not project_run_id():
        return contextlib.nullcontext()
    return RunWriter.take_over(project_run_id(), kind=kind, name=name or str(kind), state_dir=state_dir, stop=stop)
