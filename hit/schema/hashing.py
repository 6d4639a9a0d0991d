"""The short hash by which the store knows equal things: configs, surfaces, their cells, sweeps."""

__all__ = ["identity_hash"]

import hashlib
import json
from typing import Any


def identity_hash(deciding: Any) -> str:
    """16 hexadecimal digits of what decides a thing, whatever the order of its names.

    Args:
        deciding: values that JSON knows; a mapping or a list of them.

    >>> identity_hash({"seed": 0, "epochs": 3}) == identity_hash({"epochs": 3, "seed": 0})
    True
    """
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()[:16]
