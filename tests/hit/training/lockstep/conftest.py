"""Numbers of double precision, so that what is the same but for rounding shows."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def _in_float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
