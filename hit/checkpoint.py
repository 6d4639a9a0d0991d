"""Checkpoints and weights as safetensors: numbers and JSON, nothing that could run."""

__all__ = [
    "adopt_checkpoint",
    "checkpoint_extra",
    "load_checkpoint",
    "load_weights",
    "save_checkpoint",
    "save_weights",
    "weights_digest",
]

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from hit.errors import CheckpointError

_FORMAT = "hit-1"


def save_weights(path: Path, model: nn.Module, identity: str) -> None:
    """Write a model's weights, with the identity of the config that they belong to. Atomic."""
    _save(path, {f"model.{key}": value for key, value in model.state_dict().items()}, {"identity": identity})


def load_weights(path: Path, model: nn.Module, identity: str | None = None) -> None:
    """Read weights into `model`.

    Args:
        identity: refuse weights of another config; None takes any whose names and shapes fit.

    Raises:
        CheckpointError: missing, damaged or of another model.
    """
    tensors, metadata = _load(path)
    _check_identity(path, metadata, identity)
    _fill(path, model, tensors)


def weights_digest(model: nn.Module) -> str:
    """Sixteen hex digits of the SHA-256 of a model's weights, by name."""
    digest = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        digest.update(f"{key} {value.dtype} {tuple(value.shape)};".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def save_checkpoint(
    path: Path,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    *,
    epoch: int,
    identity: str,
    extra: Mapping[str, Tensor] | None = None,
) -> None:
    """Write all that a killed run needs to go on after `epoch` finished epochs. Atomic.

    Noise and batches are functions of (seed, epoch), so there is no generator state to keep.

    Args:
        extra: further tensors by name, which `checkpoint_extra` gives back.
    """
    tensors = {f"model.{key}": value for key, value in model.state_dict().items()}
    for index, parameter in enumerate(_parameters(optimiser)):
        for key, value in optimiser.state.get(parameter, {}).items():
            tensors[f"optimiser.{index}.{key}"] = torch.as_tensor(value)
    tensors |= {f"extra.{key}": value for key, value in (extra or {}).items()}
    _save(path, tensors, {"identity": identity, "epoch": str(epoch)})


def load_checkpoint(path: Path, model: nn.Module, optimiser: torch.optim.Optimizer, *, identity: str) -> int:
    """Read a checkpoint into model and optimiser; how many epochs it has finished.

    Raises:
        CheckpointError: missing, damaged or of another model.
    """
    tensors, metadata = _load(path)
    _check_identity(path, metadata, identity)
    _fill(path, model, tensors)
    for index, parameter in enumerate(_parameters(optimiser)):
        prefix = f"optimiser.{index}."
        state = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        if state:
            # Adam keeps its step count on the CPU and its moments where the parameter is, in the same memory format.
            optimiser.state[parameter] = {
                key: value if value.dim() == 0 else torch.empty_like(parameter).copy_(value)
                for key, value in state.items()
            }
    return _epoch(path, metadata)


def adopt_checkpoint(source: Path, target: Path, identity: str, new_identity: str) -> int:
    """Write a checkpoint as that of another config, whose first epochs are the same; how many it has finished.

    Args:
        source: the checkpoint.
        target: file to write.
        identity: config hash that it must carry.
        new_identity: the other config's.

    Raises:
        CheckpointError: missing, damaged or of another model.
    """
    tensors, metadata = _load(source)
    _check_identity(source, metadata, identity)
    epochs = _epoch(source, metadata)
    _save(target, tensors, {"identity": new_identity, "epoch": str(epochs)})
    return epochs


def checkpoint_extra(path: Path) -> dict[str, Tensor]:
    """The further tensors of a checkpoint, on the CPU.

    Raises:
        CheckpointError: missing or damaged.
    """
    tensors, _ = _load(path)
    return {key.removeprefix("extra."): value for key, value in tensors.items() if key.startswith("extra.")}


def _epoch(path: Path, metadata: dict[str, str]) -> int:
    try:
        return int(metadata["epoch"])
    except (KeyError, ValueError):
        raise CheckpointError(f"checkpoint must say its epoch, got none in {path}") from None


def _parameters(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def _save(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    contents = json.dumps(metadata | {"format": _FORMAT})
    temporary = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(
            {key: value.detach().cpu().contiguous() for key, value in tensors.items()}, temporary, {"hit": contents}
        )
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        raise CheckpointError(f"checkpoint cannot be written to {path}: {error}") from None


def _load(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not path.is_file():
        raise CheckpointError(f"checkpoint must be a file, got nothing at {path}")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = json.loads((file.metadata() or {}).get("hit", "{}"))
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"checkpoint must be a whole safetensors file, got {path}: {error}") from None
    if metadata.get("format") != _FORMAT:
        raise CheckpointError(f"checkpoint must be of format {_FORMAT}, got {metadata.get('format')!r} in {path}")
    return tensors, metadata


def _check_identity(path: Path, metadata: dict[str, str], identity: str | None) -> None:
    if identity is not None and metadata.get("identity") != identity:
        raise CheckpointError(
            f"checkpoint must be of this model, data and seed (config hash {identity}), "
            f"got {metadata.get('identity')} in {path}"
        )


def _fill(path: Path, model: nn.Module, tensors: dict[str, Tensor]) -> None:
    state = {key.removeprefix("model."): value for key, value in tensors.items() if key.startswith("model.")}
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise CheckpointError(f"checkpoint must be of this model, got another in {path}: {reason}") from None
