"""β as numbers of the run store."""

__all__ = ["beta_numbers"]

import math
from collections.abc import Sequence


def beta_numbers(betas: Sequence[float]) -> dict[str, float]:
    """β_1 … β_L as metrics in schema names."""
    numbers: dict[str, float] = {}
    for layer, beta in enumerate(betas, start=1):
        numbers[f"beta_{layer}"] = beta
        if beta > 0:
            numbers[f"log10_beta_{layer}"] = math.log10(beta)
    return numbers
