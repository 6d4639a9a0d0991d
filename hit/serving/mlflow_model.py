"""A trained model as a folder in MLflow's format, which `mlflow models serve` and `mlflow.pyfunc` read."""

__all__ = ["requirements", "write_model"]

import importlib.metadata
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import mlflow
import numpy as np
from mlflow.models import Model, ModelSignature
from mlflow.types import DataType, ParamSchema, ParamSpec, Schema, TensorSpec

import hit
from hit.config import TrainConfig, machine_fields
from hit.serving.request_data import IMAGES
from hit.serving.request_params import MODES
from hit.serving.served_model import ServedModel, describe, latent_name, load_folder

#: Packages whose version decides what a served model answers.
_DECIDING = ("mlflow", "torch", "torchvision", "numpy", "pandas", "safetensors", "pydantic")


def write_model(
    folder: Path,
    config: TrainConfig,
    shape: tuple[int, ...],
    weights: Path,
    identity: str,
    *,
    features: Sequence[str] = (),
    run_id: str | None = None,
    model_id: str | None = None,
) -> ServedModel:
    """Write a model's folder: `MLmodel`, requirements, an example of a request, `model.json`, `weights.safetensors`.

    Nothing in it is pickled, and there is no code: it is loaded by `hit.serving`, of the hit that is installed.
    MLflow's signature holds no inputs, since its schemas cannot say "images or latents": `hit.serving` checks them.

    Args:
        folder: does not exist yet.
        config: of the model.
        shape: of an example: (C, H, W) of images, (D,) of vectors.
        weights: safetensors file of `hit.training.checkpoints.save_weights`.
        identity: that the weights were saved with.
        features: names of a vector's numbers, where they are known.
        run_id: of the run that trained it.
        model_id: of MLflow's record of the model.

    Returns:
        The model, loaded from what was written.

    Raises:
        CheckpointError: the weights are damaged or of another model.
    """
    flat = {name: value for name, value in config.to_flat().items() if name not in machine_fields()}
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "vae"
        data.mkdir()
        (data / "model.json").write_text(describe(flat, shape, identity, features))
        (data / "weights.safetensors").write_bytes(weights.read_bytes())
        served = load_folder(data)
        with _quiet():
            mlflow.pyfunc.save_model(
                str(folder),
                loader_module="hit.serving",
                data_path=str(data),
                signature=_signature(served),
                input_example=(_example(served), {"mode": MODES[0]}),
                pip_requirements=requirements(),
                mlflow_model=Model(run_id=run_id, model_id=model_id),
            )
    return served


def requirements() -> list[str]:
    """What an environment that serves the model installs: hit from where it is here, and the versions used here."""
    versions = [f"{name}=={_version(name)}" for name in _DECIDING]
    return [*versions, *([where] if (where := _where_hit_is()) else [])]


def _version(package: str) -> str:
    """Without the part after +, which no index knows."""
    return importlib.metadata.version(package).partition("+")[0]


def _where_hit_is() -> str:
    """hit as a requirement: its source tree, or the repository and commit that it was installed from; else ''.

    Never its bare name, under which an index may hold somebody else's package.
    """
    root = Path(hit.__file__).resolve().parent.parent
    if (root / "pyproject.toml").is_file():
        return f"hit @ {root.as_uri()}"
    try:
        origin = json.loads(importlib.metadata.distribution("hit").read_text("direct_url.json") or "{}")
        vcs = origin["vcs_info"]
        return f"hit @ {vcs['vcs']}+{origin['url']}@{vcs['commit_id']}"
    except (importlib.metadata.PackageNotFoundError, ValueError, KeyError):
        return ""


def _signature(served: ServedModel) -> ModelSignature:
    """Params with their defaults, and what `encode` gives."""
    shapes = enumerate(served.model.latent_shapes, start=1)
    outputs = [TensorSpec(np.dtype("float32"), (-1, *shape), latent_name(layer)) for layer, shape in shapes]
    params = [
        ParamSpec("mode", DataType.string, MODES[0]),
        ParamSpec("count", DataType.long, 1),
        ParamSpec("sampled", DataType.boolean, False),
        ParamSpec("seed", DataType.long, 0),
    ]
    return ModelSignature(outputs=Schema(outputs), params=ParamSchema(params))


def _example(served: ServedModel) -> np.ndarray:
    """One image or vector, such as the model itself makes."""
    made: np.ndarray = served.sample(1)[served.examples]
    return np.rint(made * 255).astype(np.uint8) if served.examples == IMAGES else made


@contextmanager
def _quiet() -> Iterator[None]:
    """Without MLflow's remarks: that it validates the example, and, when first imported, on its own type hints."""
    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*Any type hint is inferred", category=UserWarning)
            yield
    finally:
        logger.setLevel(level)
