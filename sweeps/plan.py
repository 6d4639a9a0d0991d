"""The driver that a choice asks for."""

__all__ = ["build_driver"]

from sweeps.bayes import BayesDriver
from sweeps.beta_coverage import BetaCoverage
from sweeps.choosing import Choice
from sweeps.coverage import TargetCoverage
from sweeps.driver import Driver
from sweeps.grid import GridDriver


def build_driver(choice: Choice, data_digest: str) -> Driver:
    """A driver is one class and one case here.

    Args:
        choice: checked.
        data_digest: of the data set that the models are trained on.

    Raises:
        ConfigError: a driver cannot do what is asked of it.
    """
    match choice.driver:
        case "bayes":
            assert choice.space is not None
            return BayesDriver(
                choice.space, choice.objectives, choice.constraints, choice.sampler, choice.patience, data_digest
            )
        case "coverage":
            assert choice.region is not None
            if choice.rates:
                return TargetCoverage(choice.base, choice.region, choice.hole, data_digest)
            return BetaCoverage(choice.base, choice.grid, choice.region, choice.hole, data_digest)
        case _:
            return GridDriver(choice.base, choice.grid, choice.seeds, data_digest, choice.region)
