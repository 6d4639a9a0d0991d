"""Where in rate space finished runs have landed, and where the others are bound for."""

__all__ = ["asked_rates", "betas_and_rates", "betas_of", "finished_rates", "measured_rates"]

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]


def measured_rates(rows: pd.DataFrame, layers: int) -> Floats:
    """R_1, …, R_L of the test set, nats per image, N×L; NaN where a run has not finished or lacks one of them."""
    rates = _numbers(rows, [f"test/rate_{layer}" for layer in range(1, layers + 1)])
    whole = (rows["status"] == "FINISHED").to_numpy(bool) & np.isfinite(rates).all(1)
    return np.where(whole[:, None], rates, np.nan)


def finished_rates(rows: pd.DataFrame, layers: int) -> Floats:
    """The same of the finished runs that have them all."""
    rates = measured_rates(rows, layers)
    return rates[np.isfinite(rates).all(1)]


def betas_of(rows: pd.DataFrame, layers: int) -> Floats:
    """β_1, …, β_L, N×L, those with which training ended where targets moved them."""
    return _numbers(rows, [f"beta_{layer}" for layer in range(1, layers + 1)])


def betas_and_rates(rows: pd.DataFrame, layers: int) -> tuple[Floats, Floats]:
    """β of finished runs and their rates, N×L each; β = 0 has no logarithm, and is left out."""
    betas, rates = betas_of(rows, layers), measured_rates(rows, layers)
    keep = np.isfinite(rates).all(1) & (betas > 0).all(1)
    return betas[keep], rates[keep]


def asked_rates(rows: pd.DataFrame, layers: int) -> Floats:
    """`target_rate_1` … `target_rate_L` of all rows, nats per image, N×L, NaN where a run has no such target."""
    return _numbers(rows, [f"target_rate_{layer}" for layer in range(1, layers + 1)])


def _numbers(rows: pd.DataFrame, names: list[str]) -> Floats:
    columns = [
        pd.to_numeric(rows[name], errors="coerce").to_numpy(float) if name in rows else np.full(len(rows), np.nan)
        for name in names
    ]
    return np.column_stack(columns) if len(rows) else np.empty((0, len(names)))
