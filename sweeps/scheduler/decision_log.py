"""What a sweep decided, on which history, and why: a table that the MLflow UI shows."""

__all__ = ["DECISIONS", "Decisions", "history_digest"]

import hashlib
import json
from datetime import UTC, datetime

import pandas as pd

from hit.tracking import RunWriter
from hit.ui.run_names import run_name
from sweeps.drivers.driver import Proposal

#: Artifact of a sweep's run.
DECISIONS = "decisions.json"
#: What was proposed and why comes first, what it was seen on last: the UI shows the first few of them.
_COLUMNS = ["proposed", "why", "run_id", "finished", "running", "failed", "time", "history", "config_hash"]
#: MLflow's own tag: which artifacts its UI shows as tables.
_TABLES_TAG = "mlflow.loggedArtifacts"


class Decisions:
    """The table `decisions.json` of the sweep's run, in the form of `mlflow.log_table`: one row a proposal.

    A decision that proposed nothing has a row, too. The file is replaced as a whole, and sent by the run's journal:
    a sweep that is killed leaves all rows that it wrote.

    Args:
        run: the sweep's run; a table that it has left here before is gone on with.
    """

    def __init__(self, run: RunWriter) -> None:
        self._run = run
        path = run.folder / DECISIONS
        table = json.loads(path.read_text()) if path.exists() else {"columns": _COLUMNS, "data": []}
        self._rows: list[dict[str, object]] = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
        run.tags({_TABLES_TAG: json.dumps([{"path": DECISIONS, "type": "table"}])})

    def add(self, history: pd.DataFrame, chosen: list[tuple[Proposal, str]], why: str = "") -> None:
        """Add one decision.

        Args:
            history: what was known.
            chosen: proposals, each with the id of its run, or with why it has none.
            why: the reason for proposing nothing.
        """
        if not chosen and self._rows and not self._rows[-1]["proposed"]:
            return  # it waits, and has said so
        counts = history["status"].value_counts()
        seen: dict[str, object] = {
            "finished": int(counts.get("FINISHED", 0)),
            "running": int(counts.get("RUNNING", 0)),
            "failed": int(counts.get("FAILED", 0) + counts.get("KILLED", 0)),
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "history": history_digest(history),
        }
        if not chosen:
            self._rows.append(seen | {"proposed": "", "why": why, "run_id": "", "config_hash": ""})
        for proposal, run_id in chosen:
            said = {"proposed": run_name(proposal.config), "why": proposal.reason, "run_id": run_id}
            self._rows.append(seen | said | {"config_hash": proposal.identity})
        rows = [[row[column] for column in _COLUMNS] for row in self._rows]
        self._run.json_artifact(DECISIONS, {"columns": _COLUMNS, "data": rows})


def history_digest(history: pd.DataFrame) -> str:
    """Tells one history from another: a hash over run ids and statuses, whatever their order.

    >>> history_digest(pd.DataFrame({"run_id": ["a", "b"], "status": ["FINISHED", "RUNNING"]}))
    '34a5cc81b204'
    """
    rows = sorted(zip(history["run_id"].astype(str), history["status"].astype(str), strict=True))
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:12]
