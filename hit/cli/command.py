"""A function run as a command: signals, one-line errors, exit codes, and how its run ends."""

__all__ = ["entry_point"]

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from hit.cli.shadowing import refuse_others
from hit.errors import EndsWork, Interrupted, StoreAway
from hit.errors.redaction import redact, redact_tracebacks
from hit.processes.memory import as_refusal
from hit.processes.setup import process_settings, spare_letters
from hit.processes.stop import WATCHED, StopRequest
from hit.schema import Kind
from hit.schema.endings import Ending, ending


def entry_point(main: Callable[[list[str], StopRequest], None], kind: Kind) -> NoReturn:
    """Run `main(argv, stop)` as a command: a user's mistake is one line and exit code 2.

    A run of this kind that `mlflow run` made for us and that we could not begin ends as FAILED with that line.
    """
    spare_letters()
    run_id = os.environ.get("MLFLOW_RUN_ID", "")
    redact_tracebacks()
    with process_settings(), StopRequest(watch_parent=bool(run_id), watch=os.environ.get(WATCHED)) as stop:
        try:
            _run(main, stop)
        except (EndsWork, KeyboardInterrupt) as error:
            with stop.whole(ends=True):
                _end(run_id, kind, _stopped(error, stop))
    sys.exit(0)


def _run(main: Callable[[list[str], StopRequest], None], stop: StopRequest) -> None:
    try:
        main(sys.argv[1:], stop)
    except ImportError:
        refuse_others()
        raise
    except (OSError, MemoryError, RuntimeError) as error:
        refusal = as_refusal(error)
        if refusal is None:
            raise
        raise refusal from None


def _stopped(error: BaseException, stop: StopRequest) -> Ending:
    """How the command ends; a store that is away is no mistake of somebody who has asked to stop."""
    if stop.requested and isinstance(error, StoreAway):
        stopped = Interrupted(stop.signal_number)
        stopped.add_note(str(error))
        return ending(stopped)
    return ending(error)


def _end(run_id: str, kind: Kind, ended: Ending) -> NoReturn:
    if run_id:
        from hit.recovery import end_unstarted  # MLflow takes seconds to import

        end_unstarted(run_id, kind, ended)
        if ended.status == "KILLED":
            from hit.tracking.project_status import correct_status_later

            correct_status_later(run_id)
    print(redact(ended.line), file=sys.stderr, flush=True)
    sys.exit(ended.exit_code)
