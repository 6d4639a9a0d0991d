"""The flat parameters of a config, as the command line, the MLproject and the store have them: defaults and help."""

__all__ = ["describe", "flat_defaults"]

from typing import Any

from hit.config.field_roles import BETA, is_option
from hit.config.options import infos
from hit.config.part_options import option_helps
from hit.config.rates.rate_targets import TARGET, TARGET_DEFAULTS
from hit.config.train_config import TrainConfig


def flat_defaults() -> dict[str, Any]:
    """Default of every flat parameter, in the order of the command line."""
    flat: dict[str, Any] = {}
    for name, value in TrainConfig().to_flat().items():
        if name == "init_from":
            flat |= TARGET_DEFAULTS
        flat[name] = value
    return flat


def describe(name: str) -> str:
    """One line on the flat parameter `name`, for help texts."""
    if match := BETA.match(name):
        return f"weight of the rate R_{match[1]} of z_{match[1]} in the objective; where it starts, with a target"
    if match := TARGET.match(name):
        rate = f"R_{match[2]}" if match[2] else "the total rate R"
        if match[3]:
            rate = f"R_{match[2]} + … + R_{match[3]}"
        return f"{'upper bound of' if match[1] == 'max' else 'target of'} {rate}, nats per image; empty: none"
    if is_option(name):
        return option_helps().get(name, "")
    return infos(TrainConfig)[name].description or ""
