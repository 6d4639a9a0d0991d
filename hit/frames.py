"""Frames of one row a run, put together: the types of a whole frame, whatever its parts were."""

__all__ = ["stack"]

from collections.abc import Sequence

import numpy as np
import pandas as pd


def stack(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The rows of all parts, numbered from 0, with every column that a part has.

    A column that a part lacks is missing there. Types are what they would be had the frame been built from
    all rows at once: text with a missing value stays text, whole numbers with one become floats.

    Args:
        parts: frames as `hit.store.to_frame` makes them, one or more.

    >>> stack([pd.DataFrame({"epochs": [3]}), pd.DataFrame({"psnr": [20.5]})]).to_dict("list")
    {'epochs': [3.0, nan], 'psnr': [nan, 20.5]}
    """
    names = dict.fromkeys(str(name) for part in parts for name in part)
    return pd.DataFrame({name: _column(name, parts) for name in names})


def _column(name: str, parts: Sequence[pd.DataFrame]) -> "pd.Series | np.ndarray":
    types = {part[name].dtype for part in parts if name in part and len(part)}
    everywhere = all(name in part for part in parts if len(part))
    if len(types) == 1 and everywhere:
        return pd.concat([part[name] for part in parts if len(part)], ignore_index=True)
    if types == {np.dtype(float)}:
        return np.concatenate([part[name] if name in part else np.full(len(part), np.nan) for part in parts])
    listed = [value for part in parts for value in (part[name] if name in part else [None] * len(part))]
    if len(types) == 1 and isinstance(dtype := next(iter(types)), pd.DatetimeTZDtype):
        return pd.Series(listed, dtype=dtype)
    return pd.Series([None if value is pd.NA or value is pd.NaT else value for value in listed])
