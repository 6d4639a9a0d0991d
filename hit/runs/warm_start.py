"""Weights to start from: those of a finished run of the same architecture, found in the store."""

__all__ = ["find_source", "load_source", "trained_features", "trained_shape"]

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlflow.entities import Run

from hit.config import TrainConfig
from hit.config.field_roles import Role, role_of
from hit.errors import ConfigError
from hit.models import HierarchicalVAE
from hit.schema import WEIGHTS, Kind
from hit.store import Store, config_of
from hit.training.checkpoints import load_weights

#: Where a run's input tells the shape of its examples → how many numbers that is.
_SHAPES = {"image_shape": 3, "shape": 1}


def find_source(store: Store, config: TrainConfig, shape: tuple[int, ...]) -> Run:
    """The run that `config.init_from` names, if training can start from it.

    Args:
        store: where it is.
        config: of the new run.
        shape: of the new run's examples: (C, H, W) of images, (D,) of vectors.

    Raises:
        ConfigError: it is no finished model, or one of another architecture or for images of another shape.
        StoreAway: the store does not answer.
    """
    rule = "init_from must name a finished run of the same architecture"
    run = store.finished(config.init_from, Kind.TRAIN, rule)
    named = f"{rule}, got {config.init_from!r}"
    theirs, ours = (one.to_flat() for one in (TrainConfig.from_flat(config_of(run)), config))
    for name in dict.fromkeys([*ours, *theirs]):
        own, other = ours.get(name, "none"), theirs.get(name, "none")
        if role_of(name) is Role.ARCHITECTURE and own != other:
            raise ConfigError(f"{named}, which has {name}={other} where this run has {own}")
    trained = trained_shape(run)
    if trained is not None and trained != shape:
        theirs_by, own_by = ("×".join(map(str, one)) for one in (trained, shape))
        kind = "images" if len(trained) == 3 else "vectors"
        raise ConfigError(f"{named}, which is for {kind} of {theirs_by} where this run's are of {own_by}")
    return run


def load_source(store: Store, run: Run, model: HierarchicalVAE) -> None:
    """Read the weights of a run of the store into `model`.

    Raises:
        StoreError: the run has no weights.
        CheckpointError: they are damaged, or of another model.
    """
    with tempfile.TemporaryDirectory() as folder:
        load_weights(store.download(run.info.run_id, WEIGHTS, Path(folder)), model)


def trained_shape(run: Run) -> tuple[int, ...] | None:
    """Shape of the examples that a run was trained on, (C, H, W) or (D,), if its input tells."""
    for profile in _profiles(run):
        for name, axes in _SHAPES.items():
            try:
                shape = tuple(int(side) for side in profile[name])
            except (TypeError, ValueError, KeyError, OverflowError):
                continue
            if len(shape) == axes:
                return shape
    return None


def trained_features(run: Run) -> tuple[str, ...]:
    """Names of the features that a run was trained on; none where its input does not tell."""
    for profile in _profiles(run):
        names = profile.get("features")
        if isinstance(names, list):
            return tuple(map(str, names))
    return ()


def _profiles(run: Run) -> Iterator[dict[str, Any]]:
    for entry in run.inputs.dataset_inputs if run.inputs else []:
        try:
            profile = json.loads(entry.dataset.profile)
        except (TypeError, ValueError, RecursionError):
            continue
        if isinstance(profile, dict):
            yield profile
