"""What a run is called in the UI; a name that a person gave it stays."""

__all__ = ["command_name", "is_unnamed", "point_name", "run_name"]

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from hit.config import TrainConfig

if TYPE_CHECKING:
    from mlflow.entities import Run

#: What MLflow calls a run that nobody gave a name (`mlflow.utils.name_utils`), and what we call one that never began.
_INVENTED = re.compile(r"([a-z]+)-([a-z]+)-[0-9]{0,4}|[a-z]+ \(not begun\)")


def point_name(config: TrainConfig) -> str:
    """What the rates of a run are asked for by: its rate targets, and β_1 … β_L where they leave a choice.

    >>> point_name(TrainConfig(betas=(0.1, 10.0)))
    'β=(0.1, 10)'
    >>> point_name(TrainConfig.from_flat({"target_rate_1": 30, "target_rate_2": 10}))
    'R_1=30, R_2=10'
    >>> point_name(TrainConfig.from_flat({"max_rate": 50}))
    'R≤50, β=(1, 1)'
    >>> point_name(TrainConfig.from_flat({"z_dims": "4,5", "target_rate_1": 30, "target_rate_2-3": 10}))
    'R_1=30, R_2-3=10'
    """
    targets = config.targets
    said = [f"R{end}{target}" for end, target in targets.named()]
    exact = {layer for layer, one in enumerate(targets.layers, start=1) if one is not None and not one.upper}
    exact |= {layer for group, one in targets.groups if not one.upper for layer in group.layers}
    usual = all(beta == 1 for beta in config.betas)
    if not (len(exact) == config.layers and usual):
        said.append(f"β=({', '.join(f'{beta:.3g}' for beta in config.betas)})")
    return ", ".join(said)


def run_name(config: TrainConfig) -> str:
    """Targets or β, model and data, and whatever else of its form is not the default, so that runs can be told apart.

    What differs within a sweep comes first: the UI's list shows the beginning of a name.

    >>> run_name(TrainConfig(betas=(0.1, 10.0)))
    'β=(0.1, 10) ghvae digits seed 0'
    """
    usual = TrainConfig()
    form = [
        str(getattr(config, field))
        for field in ("likelihood", "posterior", "latent")
        if getattr(config, field) != getattr(usual, field)
    ]
    if config.linear_z1:
        form.append(f"z_1 of {config.linear_z1}")
    if config.layers > 2:
        form.append(f"L = {config.layers}")
    if config.crop:
        form.append(f"crop {config.crop}")
    words = [config.model, Path(config.dataset).name, *form]
    return f"{point_name(config)} {' '.join(words)} seed {config.seed}"


def command_name(usual: str) -> str:
    """What the run of this command is called: $MLFLOW_RUN_NAME, else the usual name."""
    return os.environ.get("MLFLOW_RUN_NAME", "").strip() or usual


def is_unnamed(run: "Run") -> bool:
    """Whether nobody has named a run, neither we nor a person.

    >>> from types import SimpleNamespace
    >>> [is_unnamed(SimpleNamespace(info=SimpleNamespace(run_name=name))) for name in ("salty-ant-7", "low-beta-7")]
    [True, False]
    """
    name = run.info.run_name or ""
    match = _INVENTED.fullmatch(name)
    return not name or (match is not None and (match[1] is None or _is_invented(match[1], match[2])))


def _is_invented(predicate: str, noun: str) -> bool:
    try:
        from mlflow.utils.name_utils import _GENERATOR_NOUNS, _GENERATOR_PREDICATES
    except ImportError:
        return True
    return predicate in _GENERATOR_PREDICATES and noun in _GENERATOR_NOUNS
