"""Contracts for parts of others: each check raises a `ContractBroken` that says what to mend.

>>> from hit.testing import check_likelihood
>>> check_likelihood("gaussian", sigma=0.5)
"""

__all__ = [
    "ContractBroken",
    "check_dataset",
    "check_driver",
    "check_launcher",
    "check_likelihood",
    "check_metric",
    "check_model",
    "temporary",
]

from importlib import import_module
from typing import Any

from hit.extensions.discovery import temporary
from hit.testing.contract import ContractBroken
from hit.testing.datasets import check_dataset
from hit.testing.likelihoods import check_likelihood
from hit.testing.metrics import check_metric
from hit.testing.models import check_model

#: What stands above this package.
_ABOVE = {"check_driver": "sweeps.testing", "check_launcher": "sweeps.testing"}


def __getattr__(name: str) -> Any:
    if name not in _ABOVE:
        raise AttributeError(f"module 'hit.testing' has no attribute {name!r}")
    return getattr(import_module(_ABOVE[name]), name)
