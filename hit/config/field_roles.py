"""What each field of `TrainConfig` is to a run: the one table that all who treat fields differently read."""

__all__ = [
    "BETA",
    "NEUTRAL",
    "OPTION",
    "ROLES",
    "Role",
    "fields_of",
    "is_layered",
    "is_option",
    "machine_fields",
    "role_of",
]

import re
from enum import StrEnum
from typing import Any

from hit.config.rates.layer_groups import BETA_GROUP
from hit.config.rates.rate_targets import TARGET

#: A flat name of an option of a model or a likelihood: `model.depth`; `….source` says where a part comes from.
OPTION = re.compile(r"(model|likelihood|dataset(?=\.source\Z))\.([A-Za-z_]\w*)\Z", re.ASCII)
#: A flat name of one layer's β: `beta_1` weighs R_1, the rate of the layer next to the data.
BETA = re.compile(r"beta_([1-9][0-9]{0,3})\Z")


class Role(StrEnum):
    """What a field says, and so who holds it fixed, varies it or looks past it.

    | role | says | identity | weights fit | runs compare | a search may vary it | a surface is found by it |
    |---|---|---|---|---|---|---|
    | DATA | which images; their digest stands for it | digest | digest | digest | no | digest |
    | ARCHITECTURE | what the weights are of | yes | equal | equal | yes | equal |
    | OBJECTIVE | what is minimised, but for the rates' share of it | yes | any | equal | yes | equal |
    | RATES | β and rate targets: where in rate space | yes | any | any | by options of their own | any |
    | TRAINING | how it is minimised | yes | any | equal | yes | equal but for the step size; any, where it is named |
    | START | which weights training starts from | yes | any | equal | no | any |
    | SEED | what replicates differ in | not in the group | any | any | no | any |
    | MACHINE | where and how a run runs, and what it measures | no | any | any | no | any |
    """

    DATA = "data"
    ARCHITECTURE = "architecture"
    OBJECTIVE = "objective"
    RATES = "rates"
    TRAINING = "training"
    START = "start"
    SEED = "seed"
    MACHINE = "machine"


#: Field of `TrainConfig` → its role. A test holds every field to be named here.
ROLES = {
    "dataset": Role.DATA,
    "data_root": Role.MACHINE,
    "crop": Role.DATA,
    "label": Role.DATA,
    "model": Role.ARCHITECTURE,
    "model_options": Role.ARCHITECTURE,
    "likelihood": Role.ARCHITECTURE,
    "likelihood_options": Role.ARCHITECTURE,
    "sigma": Role.OBJECTIVE,
    "posterior": Role.ARCHITECTURE,
    "latent": Role.ARCHITECTURE,
    "linear_z1": Role.ARCHITECTURE,
    "channels": Role.ARCHITECTURE,
    "z_dims": Role.ARCHITECTURE,
    "betas": Role.RATES,
    "warmup": Role.TRAINING,
    "epochs": Role.TRAINING,
    "batch_size": Role.TRAINING,
    "learning_rate": Role.TRAINING,
    "schedule": Role.TRAINING,
    "precision": Role.TRAINING,
    "targets": Role.RATES,
    "init_from": Role.START,
    "seed": Role.SEED,
    "metrics": Role.MACHINE,
    "device": Role.MACHINE,
    "threads": Role.MACHINE,
    "state_dir": Role.MACHINE,
}

#: Fields that came after the first runs → the value at which a run is as it was without them. There they are no part
#: of an identity, so that what was trained before is still found. A field that you add belongs here, too.
NEUTRAL: dict[str, Any] = {"crop": 0, "linear_z1": 0, "schedule": "constant", "precision": "float32", "init_from": ""}


def fields_of(*roles: Role) -> tuple[str, ...]:
    """Fields of these roles, in the order of the config."""
    return tuple(name for name, role in ROLES.items() if role in roles)


def machine_fields() -> frozenset[str]:
    """Fields that say where and how a run runs, not what comes out."""
    return frozenset(fields_of(Role.MACHINE))


def role_of(name: str) -> Role:
    """The role of a flat parameter.

    Raises:
        KeyError: no config has it.

    >>> role_of("beta_3").value, role_of("max_rate").value, role_of("epochs").value, role_of("model.depth").value
    ('rates', 'rates', 'training', 'architecture')
    """
    if BETA.match(name) or BETA_GROUP.match(name):
        return ROLES["betas"]
    if match := OPTION.match(name):
        return ROLES.get(f"{match[1]}_options", ROLES[match[1]])
    return ROLES["targets" if TARGET.match(name) else name]


def is_option(name: str) -> bool:
    """Whether a flat parameter is an option of a model or a likelihood, or says where one comes from.

    >>> is_option("model.depth"), is_option("likelihood.scale"), is_option("model"), is_option("train/rate")
    (True, True, False, False)
    """
    return bool(OPTION.match(name))


def is_layered(name: str) -> bool:
    """Whether a flat parameter is a number that a layer, a group of layers, or the total rate, has."""
    return bool(BETA.match(name) or BETA_GROUP.match(name) or TARGET.match(name))
