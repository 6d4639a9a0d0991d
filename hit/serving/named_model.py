"""A trained model by what people call it: a version in the registry, a run, or a folder in MLflow's format."""

__all__ = ["load_named"]

import re
import tempfile
from pathlib import Path

import mlflow
from mlflow.models import Model

from hit.config import TrainConfig
from hit.connection import connect
from hit.connection.store_errors import translated
from hit.errors import CheckpointError, StoreError, UserError, shown
from hit.models import build_model
from hit.runs.warm_start import trained_features, trained_shape
from hit.schema import WEIGHTS, Kind, Tag
from hit.serving.served_model import ServedModel, load_folder
from hit.store import Store
from hit.store.whole_config import whole_config
from hit.training.checkpoints import load_weights

_RUN_ID = re.compile(r"(?:runs:/)?([0-9a-f]{32})/?\Z")
_REGISTERED = "models:/"


def load_named(name: str) -> ServedModel:
    """The model that a name stands for. Nothing in it is unpickled or run.

    Args:
        name: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, the id of a run of a trained model, or the folder that
            MLflow keeps a model of ours in.

    Raises:
        StoreError: the store, or the registry, has no such model of ours.
        CheckpointError: its files are missing or damaged.
    """
    if match := _RUN_ID.match(name):
        return _of_run(match[1])
    if name.startswith(_REGISTERED):
        with tempfile.TemporaryDirectory() as scratch:
            return _of_folder(_downloaded(name, Path(scratch)), name)
    if Path(name).is_dir():
        return _of_folder(Path(name), name)
    raise StoreError(
        f"model must be models:/NAME@ALIAS, models:/NAME/VERSION, the id of a run or a folder, got {shown(name)}"
    )


def _downloaded(name: str, scratch: Path) -> Path:
    try:
        connect()
        return Path(mlflow.artifacts.download_artifacts(artifact_uri=name, dst_path=str(scratch)))
    except UserError:
        raise
    except Exception as error:
        said = translated(error)
        raise type(said)(f"model {shown(name)} cannot be had: {said}") from None


def _of_folder(folder: Path, name: str) -> ServedModel:
    """Of a model's folder; its loader is ours, or it is none of ours."""
    try:
        flavour = Model.load(str(folder)).flavors.get("python_function", {})
    except Exception as error:
        raise CheckpointError(f"model must be a folder in MLflow's format, got {shown(name)}: {error}") from None
    if flavour.get("loader_module") != "hit.serving":
        raise CheckpointError(f"model must be one that hit has registered, got {shown(name)}")
    data = (folder / str(flavour.get("data", ""))).resolve()
    if not data.is_relative_to(folder.resolve()):
        raise CheckpointError(f"model must be a folder with all of its files, got {shown(name)}")
    return load_folder(data)


def _of_run(run_id: str) -> ServedModel:
    connect()
    store = Store()
    run = store.run(run_id)
    kind, shape = run.data.tags.get(Tag.KIND), trained_shape(run)
    if kind != Kind.TRAIN or run.info.status != "FINISHED" or shape is None:
        raise StoreError(f"model must be a finished run of one, got run {run_id} of kind {kind!r}, {run.info.status}")
    config = TrainConfig.from_flat(whole_config(store, run))
    model = build_model(config, shape)
    with tempfile.TemporaryDirectory() as scratch:
        weights = store.download(run_id, WEIGHTS, Path(scratch))
        load_weights(weights, model, config.identity(run.data.tags.get(Tag.DATA_DIGEST, "")))
    return ServedModel(model, shape, features=trained_features(run))
