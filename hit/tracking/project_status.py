"""`python -m hit.tracking.project_status RUN_ID PID`: say KILLED again, once `mlflow run` (PID) has said FAILED.

When the command of a project ends, MLflow means to leave a run alone whose status is final. It compares the
status's name with the numbers of such statuses (`mlflow.projects._maybe_set_run_terminated`), never finds it among
them, and so turns KILLED into FAILED. That happens after our process is gone: somebody has to stay behind.
"""

__all__ = ["correct_status", "correct_status_later"]

import os
import subprocess
import sys
import time

_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.2


def correct_status_later(run_id: str) -> None:
    """Leave a process behind that does it; it survives this one and its terminal's Ctrl-C."""
    subprocess.Popen(
        [sys.executable, "-m", "hit.tracking.project_status", run_id, str(os.getppid())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def correct_status(run_id: str, runner: int) -> bool:
    """Wait until MLflow has overwritten the status, and put it right; whether that was needed.

    Args:
        run_id: a run that ended as KILLED.
        runner: process id of `mlflow run`; when it is gone nobody will overwrite anything.

    Raises:
        StoreError: the store does not answer.
        MlflowException: the run has been deleted.
    """
    import psutil

    from hit.connection import connect

    client = connect()
    ended = client.get_run(run_id).info.end_time
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        present = psutil.pid_exists(runner)
        if client.get_run(run_id).info.status == "FAILED":
            client.set_terminated(run_id, status="KILLED", end_time=ended)
            return True
        if not present:
            return False
        time.sleep(_POLL_SECONDS)
    return False


if __name__ == "__main__":
    correct_status(sys.argv[1], int(sys.argv[2]))
