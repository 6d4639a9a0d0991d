"""An own driver: β of every layer at random, evenly in its logarithm, between the ends of its grid.

python -m sweeps --extensions examples/random_driver.py --driver random --budget 3
"""

import math
import random
from dataclasses import replace
from itertools import count, islice

import pandas as pd

from hit.config import TrainConfig
from sweeps.drivers.comparable_runs import comparable
from sweeps.drivers.driver import Driver, Proposal
from sweeps.rate_models.from_surface import SurfaceRates
from sweeps.spec.driver_options import Choice
from sweeps.spec.parts import DRIVERS


class RandomDriver(Driver):
    """Has no end of its own: a budget ends the sweep."""

    wanted = None

    def __init__(self, choice: Choice, data_digest: str) -> None:
        self.choice, self.data_digest = choice, data_digest

    def propose(self, history: pd.DataFrame, n: int) -> list[Proposal]:
        taken = self.taken(history)
        models = (self.model(number) for number in count())
        new = (Proposal(one, one.identity(self.data_digest), "drawn at random") for one in models)
        return list(islice((one for one in new if one.identity not in taken), n))

    def mine(self, history: pd.DataFrame) -> pd.DataFrame:
        return comparable(history, self.choice.base, self.data_digest)

    def model(self, number: int) -> TrainConfig:
        """The same number, the same β: whoever goes on with the sweep draws alike."""
        chance = random.Random(number)  # noqa: S311
        ends = [(math.log(axis[0]), math.log(axis[-1])) for axis in self.choice.grid.axes]
        betas = tuple(float(f"{math.exp(chance.uniform(*pair)):.4g}") for pair in ends)
        return replace(self.choice.base, betas=betas)


@DRIVERS.register("random", help="β at random")
def build(choice: Choice, data_digest: str, surface: SurfaceRates | None) -> RandomDriver:
    return RandomDriver(choice, data_digest)
