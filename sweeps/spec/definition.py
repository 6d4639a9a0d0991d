"""What makes two sweeps the same one, begun at different times or by different people."""

__all__ = ["definition_hash"]

from hit.schema.hashing import identity_hash
from sweeps.spec.driver_options import Choice
from sweeps.spec.parts import DRIVERS


def definition_hash(choice: Choice, early_stopping: str, data_digest: str) -> str:
    """Hash of all that decides which models a sweep chooses and how they are trained (tag `hit.definition`).

    That is the driver with what it chooses by, the config of the models, the data, and the rules that end runs early.
    Not part of it is how much the sweep may spend (budget, hours, patience), and where it runs.

    Args:
        choice: checked; what its driver has no use for has its default there.
        early_stopping: rules, as text (`hit.config.early_stopping`).
        data_digest: of the data set.
    """
    space = choice.space.dimensions if choice.space else ()
    deciding = {
        "driver": choice.driver,
        **({"driver.source": source.digest} if (source := DRIVERS.source(choice.driver)) else {}),
        "models": choice.base.identity(data_digest),
        "grid": [] if choice.rates else choice.grid.axes,
        "seeds": sorted(choice.seeds),
        "region": str(choice.region or ""),
        "rates": choice.rates,
        "hole": choice.hole,
        "surface": choice.surface,
        "space": sorted([one.name, one.low, one.high, one.log, one.whole, list(one.choices)] for one in space),
        "objectives": sorted(map(str, choice.objectives)),
        "constraints": sorted(map(str, choice.constraints)),
        "sampler": choice.sampler,
        "early_stopping": early_stopping,
    }
    return identity_hash(deciding)
