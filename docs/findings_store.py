"""What a store holds of a data set's surface and its certificate; without torch."""

__all__ = ["certificate_rows", "surface_of"]

import json
import tempfile
from pathlib import Path
from typing import Any

from hit.schema import Kind
from hit.store import Store


def surface_of(uri: str, dataset: str, seed: int = 0) -> dict[str, str]:
    """What the store holds of one surface of a data set: `finished` or `interrupted` → run id, `certified` → where.

    Args:
        uri: the store.
        dataset: that of the experiment `findings-<dataset>`.
        seed: of the surface.
    """
    store = Store(uri)
    if not store.experiment(f"findings-{dataset}").id:
        return {}
    found: dict[str, str] = {}
    for run in store.runs(f"findings-{dataset}", kind=Kind.SURFACE, where=f"params.seed = '{seed}'"):
        done = run.info.status == "FINISHED"
        found = {"finished" if done else "interrupted": run.info.run_id}
        if done:
            rows = certificate_rows(store, run.info.run_id)
            found["certified"] = ",".join(":".join(f"{beta:g}" for beta in row["betas"]) for row in rows)
    return found


def certificate_rows(store: Store, run_id: str) -> list[dict[str, Any]]:
    """Of the file that the surface's run has from its certificate; none without one."""
    if not any(name.startswith("certificate/") for name in store.run(run_id).data.metrics):
        return []
    with tempfile.TemporaryDirectory() as folder:
        text = store.download(run_id, "certificate.json", Path(folder)).read_text()
    rows: list[dict[str, Any]] = json.loads(text)
    return rows
