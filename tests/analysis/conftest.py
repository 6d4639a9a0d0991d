"""Frames of runs for the tests of the analysis."""

from collections.abc import Callable

import pandas as pd
import pytest

from tests.frames import grid_frame

MakeFrame = Callable[..., pd.DataFrame]


@pytest.fixture(scope="session")
def make_frame() -> MakeFrame:
    """A function that makes a frame of finished runs over a full grid of βs."""
    return grid_frame


@pytest.fixture
def grid(make_frame: MakeFrame) -> pd.DataFrame:
    """25 runs of a two-layer model, βs 5 × 5 from 0.1 to 10."""
    return make_frame(5)
