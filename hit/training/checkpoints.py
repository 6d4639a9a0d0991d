"""Checkpoints and weights as safetensors: numbers and JSON with a digest of both, nothing that could run."""

__all__ = [
    "adopt_checkpoint",
    "checkpoint_extra",
    "load_checkpoint",
    "load_state",
    "load_weights",
    "save_checkpoint",
    "save_state",
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

from hit.config.field_types import whole_number
from hit.errors import CheckpointError, shown

_FORMAT = "hit-2"
#: Of files of earlier versions, which hold no digest.
_WITHOUT_DIGEST = "hit-1"


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
    _feed(digest, model.state_dict())
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
    save_state(path, tensors, epoch=epoch, identity=identity)


def save_state(path: Path, state: Mapping[str, Tensor], *, epoch: int, identity: str) -> None:
    """Write a checkpoint from its tensors: `model.NAME`, `optimiser.INDEX.NAME` and `extra.NAME`. Atomic."""
    _save(path, state, {"identity": identity, "epoch": str(epoch)})


def load_state(path: Path, *, identity: str) -> tuple[dict[str, Tensor], int]:
    """The tensors of a checkpoint, on the CPU, and how many epochs it has finished: `save_state` inverted.

    Raises:
        CheckpointError: missing, damaged or of another config.
    """
    tensors, metadata = _load(path)
    _check_identity(path, metadata, identity)
    return tensors, _epoch(path, metadata)


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
    epoch = whole_number(metadata.get("epoch", ""))
    if epoch is None:
        raise CheckpointError(f"checkpoint must say its epoch, got none in {path}")
    return epoch


def _parameters(optimiser: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def _save(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    contents = metadata | {"format": _FORMAT}
    contents["digest"] = _digest(plain, contents)
    temporary = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(plain, temporary, {"hit": json.dumps(contents)})
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
    except (SafetensorError, OSError, ValueError, RecursionError, MemoryError) as error:
        raise CheckpointError(f"checkpoint must be a whole safetensors file, got {path}: {error}") from None
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise CheckpointError(f"checkpoint must describe itself by texts with names, got {shown(metadata)} in {path}")
    form = metadata.get("format")
    if form not in (_FORMAT, _WITHOUT_DIGEST):
        raise CheckpointError(f"checkpoint must be of format {_FORMAT}, got {shown(form)} in {path}")
    digest = metadata.pop("digest", None)
    if form == _FORMAT and digest != _digest(tensors, metadata):
        raise CheckpointError(f"checkpoint must hold what was written, got other numbers in {path}: it is damaged")
    return tensors, metadata


def _digest(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """SHA-256 of all tensors with their names, and of what the file says of itself."""
    digest = hashlib.sha256(json.dumps(metadata, sort_keys=True).encode())
    _feed(digest, tensors)
    return digest.hexdigest()


def _feed(digest: "hashlib._Hash", tensors: Mapping[str, Tensor]) -> None:
    for key, value in sorted(tensors.items()):
        digest.update(f"{key} {value.dtype} {tuple(value.shape)};".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)


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
