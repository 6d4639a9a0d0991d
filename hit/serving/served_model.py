"""A trained model behind MLflow's `predict`: it encodes and reconstructs, decodes latents, and samples.

MLflow loads it by the name of this module (`mlflow.pyfunc.load_model`, `mlflow models serve`) from a folder that holds
`model.json` and `weights.safetensors`, written by `hit.serving.mlflow_model`: numbers and JSON, nothing that could run.
"""

__all__ = ["ServedModel", "describe", "latent_name", "load_folder"]

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from mlflow.exceptions import MlflowException
from torch import Tensor

from hit.config import TrainConfig
from hit.data.labelled_images import by
from hit.distributions import LatentDistribution
from hit.errors import CheckpointError, DataError, UserError, shown
from hit.models import HierarchicalVAE, build_model
from hit.processes.devices import select_device
from hit.serving.request_data import IMAGES, VECTORS, columns_of, floats_of, images_of, vectors_of
from hit.serving.request_params import MOST_SAMPLES, ServedParams, refuse_unknown, usual_samples
from hit.training.checkpoints import load_weights

_FORMAT = "hit-served-1"
#: Examples a pass, so that memory does not grow with the request; fewer of images larger than 64×64 pixels.
_BATCH = 256
_BATCH_PIXELS = _BATCH * 64 * 64

Arrays = dict[str, np.ndarray]


class ServedModel:
    """A model with arrays for arguments and results.

    Images are N × C × H × W (grey ones may leave out C): whole numbers are levels from 0 to 255, others are in [0, 1].
    Latents are float, N × the latent's shape. Images that it gives are float, in [0, 1]. A model of vectors takes and
    gives N × D numbers in the units of its training data, under the name `vectors`; also as a table of these columns.

    Args:
        model: trained, on its device.
        shape: of an example: (C, H, W) of images, (D,) of vectors.
        most_samples: that one request gets; None: $HIT_SERVED_SAMPLES, else a million numbers of them.
        features: names of a vector's numbers, where they are known.

    Raises:
        ConfigError: $HIT_SERVED_SAMPLES is no number.
    """

    def __init__(
        self,
        model: HierarchicalVAE,
        shape: tuple[int, ...],
        most_samples: int | None = None,
        features: Sequence[str] = (),
    ) -> None:
        self.model = model.eval()
        self.shape = shape
        self.features = tuple(features)
        self.examples = IMAGES if len(shape) == 3 else VECTORS
        self.most_samples = most_samples or usual_samples(shape)
        self._batch = min(_BATCH, max(1, _BATCH_PIXELS // math.prod(shape[-2:])))

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> Arrays:
        """What MLflow calls, for POST /invocations, too.

        Args:
            data: images or vectors, as an array or under the name `images` or `vectors`; for `decode` latents under the
                name of their layer, such as `z_2`; for `sample` nothing.
            params: `mode`, and the arguments of the method of that name.

        Raises:
            MlflowException: one line that says what is wrong; a server answers with it and 400.
        """
        try:
            return self._answer(data, dict(params or {}))
        except UserError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None

    def get_raw_model(self) -> "ServedModel":
        """This, by way of `mlflow.pyfunc.PyFuncModel.get_raw_model`."""
        return self

    def encode(self, images: Any, *, sampled: bool = False, seed: int = 0) -> Arrays:
        """z_1 … z_L of images: posterior means from the top down, or samples.

        Raises:
            DataError: images of another shape, or values out of range.
        """
        passes = self._passes(images, sampled, seed, lambda outcome: outcome.latents)
        return {latent_name(layer): passes(layer - 1) for layer in range(1, self.model.layers + 1)}

    def reconstruct(self, images: Any, *, sampled: bool = False, seed: int = 0) -> Arrays:
        """Mean images E[x|z_1] for posterior means, or samples, of z.

        Raises:
            DataError: images of another shape, or values out of range.
        """
        shown = self._passes(images, sampled, seed, lambda outcome: (self._shown(outcome.output),))
        return {self.examples: shown(0)}

    def decode(self, latents: Mapping[str, Any], *, sampled: bool = False, seed: int = 0) -> Arrays:
        """Mean images E[x|z_1] for one layer's latents. All other layers are at the means of their priors, or sampled.

        Raises:
            DataError: no latents or those of several layers, another shape, or values that are not finite.
        """
        layer = self._layer(latents)
        z = self._latent(layer, latents[latent_name(layer)])
        noise = self.model.noise(len(z), self._generator(seed)) if sampled else None
        drawn = []
        with torch.no_grad():
            for start in range(0, len(z), self._batch):
                part = z[start : start + self._batch]
                own = None if noise is None else [above[start : start + self._batch] for above in noise]
                drawn.append(self._decoded(layer, part, own))
        return {self.examples: _array(torch.cat(drawn))}

    def sample(self, count: int = 1, seed: int = 0) -> Arrays:
        """Mean images E[x|z_1] of `count` draws from the prior.

        Raises:
            DataError: a count below 1 or above `most_samples`.
        """
        if not 1 <= count <= self.most_samples:
            raise DataError(f"count must be from 1 to {self.most_samples} (${MOST_SAMPLES} bounds it), got {count}")
        noise = self.model.noise(count, self._generator(seed))
        with torch.no_grad():
            parts = zip(*(layer.split(self._batch) for layer in noise), strict=True)
            drawn = [self.model.restore(self.model.generate(part)) for part in parts]
            return {self.examples: _array(torch.cat(drawn))}

    def _answer(self, data: Any, params: dict[str, Any]) -> Arrays:
        asked = ServedParams.parse(params)
        mode, sampled, seed = asked.mode, asked.sampled, asked.seed
        if mode == "sample":
            return self.sample(asked.count, seed)
        named = self._named(data)
        if mode == "decode":
            return self.decode(named, sampled=sampled, seed=seed)
        name = self.examples
        if set(named) != {name}:
            got = ", ".join(map(str, named)) or "nothing"
            raise DataError(f"mode {mode} takes {name}, as an array or under the name {name!r}, got {got}")
        return (self.encode if mode == "encode" else self.reconstruct)(named[name], sampled=sampled, seed=seed)

    def _passes(
        self, images: Any, sampled: bool, seed: int, take: Callable[[Any], tuple[Tensor, ...]]
    ) -> Callable[[int], np.ndarray]:
        """What `take` gives of the model's pass of the images, by its index."""
        read = images_of if self.examples == IMAGES else vectors_of
        x = self.model.prepare(torch.from_numpy(read(images, self.shape)).to(self._device))
        noise = self.model.noise(len(x), self._generator(seed)) if sampled else None
        parts = []
        with torch.no_grad():
            for start in range(0, len(x), self._batch):
                own = None if noise is None else [layer[start : start + self._batch] for layer in noise]
                parts.append(take(self.model(x[start : start + self._batch], own, sample=sampled)))
        return lambda index: _array(torch.cat([part[index] for part in parts]))

    def _decoded(self, layer: int, z: Tensor, noise: Sequence[Tensor] | None) -> Tensor:
        def choose(at: int, prior: LatentDistribution) -> Tensor:
            if at == layer:
                return z
            return prior.mean if noise is None else prior.sample(noise[at - 1])

        return self.model.restore(self.model.descend(choose, len(z)))

    def _shown(self, output: Tensor) -> Tensor:
        return self.model.restore(self.model.likelihood.mean(output))

    def _named(self, data: Any) -> dict[str, Any]:
        """Arrays by name; what has none is examples."""
        if data is None:
            return {}
        if isinstance(data, pd.DataFrame):
            if self.examples == VECTORS and not {VECTORS, *self._latent_names} & set(map(str, data.columns)):
                return {VECTORS: columns_of(data, self.features)}
            return {str(name): list(column) for name, column in data.items()}
        return dict(data) if isinstance(data, Mapping) else {self.examples: data}

    @property
    def _latent_names(self) -> dict[str, int]:
        return {latent_name(layer): layer for layer in range(1, self.model.layers + 1)}

    def _layer(self, latents: Mapping[str, Any]) -> int:
        known = self._latent_names
        if len(latents) != 1 or not set(latents) <= set(known):
            shapes = ", ".join(f"{name} (N×{by(self.model.latent_shapes[at - 1])})" for name, at in known.items())
            raise DataError(f"mode decode takes one of {shapes}, got {', '.join(map(str, latents)) or 'nothing'}")
        return known[next(iter(latents))]

    def _latent(self, layer: int, values: Any) -> Tensor:
        found = floats_of(latent_name(layer), values, self.model.latent_shapes[layer - 1])
        return torch.from_numpy(found).to(self._device)

    def _generator(self, seed: int) -> torch.Generator:
        if not 0 <= seed < 2**63:
            raise DataError(f"seed must be from 0 to 2^63 − 1, got {seed}")
        return torch.Generator(self._device).manual_seed(seed)

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device


def latent_name(layer: int) -> str:
    """Name of z_l in requests and answers."""
    return f"z_{layer}"


def load_folder(folder: Path) -> ServedModel:
    """The model of a folder that `hit.serving.mlflow_model` wrote, on the GPU where there is one.

    Raises:
        CheckpointError: a file is missing or damaged, or the weights are of another model.
        ConfigError: the config is none of ours.
    """
    path = folder / "model.json"
    try:
        described = json.loads(path.read_text())
        form_of = "image_shape" if "image_shape" in described else "shape"
        shape = tuple(int(side) for side in described[form_of])
        features = [str(name) for name in described.get("features", ())]
        flat, identity, form = described["config"], described["identity"], described["format"]
        if len(shape) != (3 if form_of == "image_shape" else 1):
            raise ValueError(f"{form_of} of {len(shape)} numbers")
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise CheckpointError(f"{path} must describe a served model, got {type(error).__name__}: {error}") from None
    if form != _FORMAT:
        raise CheckpointError(f"served model must be of format {_FORMAT}, got {shown(form)} in {path}")
    if not isinstance(flat, dict):
        raise CheckpointError(f"{path} must hold the config of a served model by name, got {shown(flat)}")
    model = build_model(TrainConfig.from_flat(flat), shape)
    load_weights(folder / "weights.safetensors", model, identity)
    return ServedModel(model.to(select_device("auto")), shape, features=features)


def describe(flat: Mapping[str, Any], shape: tuple[int, ...], identity: str, features: Sequence[str] = ()) -> str:
    """What `model.json` says, for `load_folder` to read."""
    described: dict[str, Any] = {"format": _FORMAT, "config": dict(flat)}
    described["image_shape" if len(shape) == 3 else "shape"] = list(shape)
    described["identity"] = identity
    if features:
        described["features"] = list(features)
    return json.dumps(described, indent=2) + "\n"


def _load_pyfunc(path: str) -> ServedModel:
    """What MLflow calls, by this name."""
    logging.getLogger("mlflow.models.utils").addFilter(refuse_unknown)
    return load_folder(Path(path))


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.cpu().contiguous().numpy()
