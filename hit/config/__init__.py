"""What decides a run: the config of a model, its flat parameters, and what each of its fields is to a run."""

__all__ = ["BETA", "TrainConfig", "beta_numbers", "describe", "flat_defaults", "machine_fields"]

from hit.config.field_roles import BETA, machine_fields
from hit.config.flat_parameters import describe, flat_defaults
from hit.config.rates.beta_numbers import beta_numbers
from hit.config.train_config import TrainConfig
