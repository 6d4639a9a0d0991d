"""A driver of an extension that breaks the contract ends the sweep by one line."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from hit.errors import ConfigError
from sweeps.drivers.checked_driver import CheckedDriver
from sweeps.drivers.driver import Driver, Proposal
from tests.replay import BASE, DIGEST

ONE = Proposal(BASE, BASE.identity(DIGEST), "a reason")
OTHER = replace(BASE, seed=5)
HISTORY = pd.DataFrame({"status": ["FINISHED"], "config_hash": [ONE.identity], "ended": [None]})


class _Says(Driver):
    wanted = None

    def __init__(self, said: Any) -> None:
        self.said = said

    def propose(self, history: pd.DataFrame, n: int) -> Any:
        return self.said()

    def mine(self, history: pd.DataFrame) -> pd.DataFrame:
        return history


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (lambda: None, "must propose a list of Proposal, got None"),
        (lambda: [{"beta_1": 1}], "must propose a list of Proposal, got "),
        (lambda: [ONE] * 3, "must propose at most the 2 that it is asked for, got 3"),
        (lambda: [ONE], "must propose each model once, and none that is finished or running"),
        (lambda: [replace(ONE, identity="other")] * 2, "must propose each model once"),
        (lambda: {}["x"], "must answer `propose` without an error, got KeyError: 'x'"),
    ],
)
def test_what_it_proposes_wrongly_is_one_line(said: Any, fault: str) -> None:
    with pytest.raises(ConfigError, match=f"driver 'mine' {fault}"):
        CheckedDriver(_Says(said), "mine").propose(HISTORY, 2)


def test_what_it_proposes_is_handed_on() -> None:
    new = Proposal(OTHER, OTHER.identity(DIGEST), "new")
    driver = CheckedDriver(_Says(lambda: (new,)), "mine")
    assert driver.propose(HISTORY, 2) == [new]
    assert driver.finished(HISTORY) == 1
    assert driver.wanted is None
