"""Weights to start from: those of a finished run of the same architecture, found in the store."""

__all__ = ["find_source", "load_source", "trained_shape"]

import json
import tempfile
from pathlib import Path

from mlflow.entities import Run

from hit.config import TrainConfig
from hit.config.field_roles import Role, fields_of
from hit.errors import ConfigError
from hit.models import HierarchicalVAE
from hit.schema import WEIGHTS, Kind
from hit.store import Store, config_of
from hit.training.checkpoints import load_weights


def find_source(store: Store, config: TrainConfig, image_shape: tuple[int, int, int]) -> Run:
    """The run that `config.init_from` names, if training can start from it.

    Args:
        store: where it is.
        config: of the new run.
        image_shape: (C, H, W) of the new run's data.

    Raises:
        ConfigError: it is no finished model, or one of another architecture or for images of another shape.
        StoreAway: the store does not answer.
    """
    rule = "init_from must name a finished run of the same architecture"
    run = store.finished(config.init_from, Kind.TRAIN, rule)
    named = f"{rule}, got {config.init_from!r}"
    theirs = TrainConfig.from_flat(config_of(run))
    for name in fields_of(Role.ARCHITECTURE):
        if getattr(theirs, name) != getattr(config, name):
            own, other = getattr(config, name), getattr(theirs, name)
            raise ConfigError(f"{named}, which has {name}={other} where this run has {own}")
    shape = trained_shape(run)
    if shape is not None and shape != image_shape:
        their_shape, own_shape = ("×".join(map(str, one)) for one in (shape, image_shape))
        raise ConfigError(f"{named}, which is for images of {their_shape} where this run's are of {own_shape}")
    return run


def load_source(store: Store, run: Run, model: HierarchicalVAE) -> None:
    """Read the weights of a run of the store into `model`.

    Raises:
        StoreError: the run has no weights.
        CheckpointError: they are damaged, or of another model.
    """
    with tempfile.TemporaryDirectory() as folder:
        load_weights(store.download(run.info.run_id, WEIGHTS, Path(folder)), model)


def trained_shape(run: Run) -> tuple[int, int, int] | None:
    """(C, H, W) of the images that a run was trained on, if its input tells."""
    for entry in run.inputs.dataset_inputs if run.inputs else []:
        try:
            channels, height, width = json.loads(entry.dataset.profile)["image_shape"]
            return int(channels), int(height), int(width)
        except (TypeError, ValueError, KeyError, OverflowError, RecursionError):
            continue
    return None
