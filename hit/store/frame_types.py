"""Frames of one row a run, put together: the types of a whole frame, whatever its parts were."""

__all__ = ["outcomes", "stack"]

from collections.abc import Sequence

import numpy as np
import pandas as pd

from hit.schema import Tag
from hit.schema.endings import recorded_outcome

#: Column → the tag that it shows, of those that say how a run ended.
_ENDED = {"ended": Tag.ENDED, "status_reason": Tag.STATUS_REASON}


def outcomes(rows: pd.DataFrame) -> pd.Series:
    """How every run ended (`hit.errors.run_outcomes.RunOutcome`), by the rows' index; None where it has not.

    Args:
        rows: one row a run (`hit.store.to_frame`).

    >>> rows = {"status": ["FAILED", "RUNNING"], "ended": [None, None], "status_reason": ["diverged: at once", None]}
    >>> [str(outcome) for outcome in outcomes(pd.DataFrame(rows))]
    ['diverged', 'None']
    """
    columns = {tag: rows[name].astype(object) for name, tag in _ENDED.items() if name in rows}
    said = [
        recorded_outcome({tag: text for tag, text in zip(columns, texts, strict=True) if isinstance(text, str)}, status)
        for status, *texts in zip(rows["status"], *columns.values(), strict=True)
    ]
    return pd.Series(said, index=rows.index, dtype=object)


def stack(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The rows of all parts, numbered from 0, with every column that a part has.

    A column that a part lacks is missing there. Types are what they would be had the frame been built from
    all rows at once: text with a missing value stays text, whole numbers with one become floats.

    Args:
        parts: frames as `hit.store.to_frame` makes them, one or more.

    >>> stack([pd.DataFrame({"epochs": [3]}), pd.DataFrame({"psnr": [20.5]})]).to_dict("list")
    {'epochs': [3.0, nan], 'psnr': [nan, 20.5]}
    """
    names = list(dict.fromkeys(str(name) for part in parts for name in part))
    filled = [part for part in parts if len(part)] or parts[:1]
    types = [dict(part.dtypes) for part in filled]
    alike = [name for name in names if len({own.get(name) for own in types}) == 1 and name in types[0]]
    together = pd.concat([part[alike] for part in filled], ignore_index=True)  # takes far longer column by column
    others = set(names) - set(alike)
    if not others:
        return together[names]
    rest = pd.DataFrame({name: _column(name, filled) for name in names if name in others}, index=together.index)
    return pd.concat([together, rest], axis=1)[names]


def _column(name: str, parts: Sequence[pd.DataFrame]) -> "pd.Series | np.ndarray":
    """A column that some part lacks, or that parts hold as different types."""
    types = {part[name].dtype for part in parts if name in part}
    if types == {np.dtype(float)}:
        return np.concatenate([part[name] if name in part else np.full(len(part), np.nan) for part in parts])
    listed = [value for part in parts for value in (part[name] if name in part else [None] * len(part))]
    if len(types) == 1 and isinstance(dtype := next(iter(types)), pd.DatetimeTZDtype):
        return pd.Series(listed, dtype=dtype)
    return pd.Series([None if value is pd.NA or value is pd.NaT else value for value in listed])
