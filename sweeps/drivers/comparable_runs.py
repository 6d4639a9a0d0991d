"""Which runs of the history compare with those of a sweep: the same data and protocol, but for what is varied."""

__all__ = ["comparable"]

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from hit.config import TrainConfig
from hit.config.field_roles import Role, role_of
from hit.config.part_options import usual_options
from hit.config.parts import meaningless

#: What runs that compare may differ in. The digest says more about the data than their name.
_OPEN = frozenset({Role.MACHINE, Role.DATA, Role.RATES, Role.SEED})


def comparable(history: pd.DataFrame, base: TrainConfig, data_digest: str, free: Collection[str] = ()) -> pd.DataFrame:
    """The rows that differ from `base` in nothing that decides a result but β, rate targets, seed and `free`.

    Cells that were read off a rate surface are not runs, and are left out. Rows are in an order that does not
    depend on the one they came in: by their start, then their id.

    Args:
        history: one row a run.
        base: config of the sweep's runs.
        data_digest: of its data set.
        free: further fields that the sweep varies.
    """
    if history.empty:
        return history
    keep = (history["data_digest"] == data_digest).to_numpy(bool, copy=True)
    if "amortised" in history:
        keep &= history["amortised"].isna().to_numpy(bool)
    usual = TrainConfig().to_flat() | usual_options(base.to_flat())
    for name, value in _fixed(base, free).items():
        if name in history:
            keep &= _equals(history[name], value, usual.get(name))
        elif value != usual.get(name):
            keep[:] = False
    rows = history[keep]
    return rows.sort_values(["start_time", "run_id"], kind="stable", ignore_index=True)


def _fixed(base: TrainConfig, free: Collection[str]) -> dict[str, Any]:
    """The flat fields that tell results apart for a model like `base`."""
    flat = base.to_flat()
    ignored = meaningless(flat, free).union(free)
    return {name: value for name, value in flat.items() if name not in ignored and role_of(name) not in _OPEN}


def _equals(column: "pd.Series", value: Any, missing: Any) -> np.ndarray:
    """Where the column holds the value; a field that a run of an older version lacks had its default."""
    if isinstance(value, float):
        found = np.isclose(pd.to_numeric(column, errors="coerce").to_numpy(float), value, rtol=1e-9, atol=0)
    else:
        found = (column == value).fillna(False).to_numpy(bool)
    return np.asarray(found | column.isna().to_numpy(bool) if value == missing else found, bool)
