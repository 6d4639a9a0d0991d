"""Weights and checkpoints are what was written, or refused by one line; those of earlier versions stay readable."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from hit.config import TrainConfig
from hit.errors import CheckpointError
from hit.models import HierarchicalVAE, build_model
from hit.training.checkpoints import load_checkpoint, load_weights, save_checkpoint, save_weights, weights_digest

SMALL = TrainConfig(channels=1, z_dims=(1,), latent="dense")


@pytest.fixture(scope="module")
def model() -> HierarchicalVAE:
    return build_model(SMALL, (1, 28, 28))


@pytest.fixture
def weights(tmp_path: Path, model: HierarchicalVAE) -> Path:
    save_weights(tmp_path / "weights.safetensors", model, "identity")
    return tmp_path / "weights.safetensors"


def rewritten(path: Path, described: Any) -> Path:
    """The same tensors, with something else for what the file says of itself."""
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
    text = described if isinstance(described, str) else json.dumps(described)
    save_file(tensors, path, {"hit": text})
    return path


def test_a_flipped_bit_is_seen(weights: Path, model: HierarchicalVAE, tmp_path: Path) -> None:
    whole = weights.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    # Of names and texts as well as of numbers.
    draw = random.Random(0)
    places = [draw.randrange(8 * header) for _ in range(150)] + [draw.randrange(8 * len(whole)) for _ in range(150)]
    for place in places:
        flipped = bytearray(whole)
        flipped[place // 8] ^= 1 << place % 8
        (tmp_path / "flipped").write_bytes(flipped)
        with pytest.raises(CheckpointError, match="checkpoint must"):
            load_weights(tmp_path / "flipped", model)
    load_weights(weights, model, "identity")


@pytest.mark.parametrize(
    "described",
    [
        [1],
        "null",
        "3",
        '"text"',
        "[" * 100_000,
        {"format": ["hit-2"]},
        {"format": "hit-1", "identity": {"deep": []}},
        {"format": "hit-2", "identity": "identity"},
        {"format": "hit-2", "identity": "identity", "digest": "0" * 64},
        {"format": "hit-3", "identity": "identity"},
        {},
    ],
)
def test_a_file_that_says_something_else_of_itself(weights: Path, model: HierarchicalVAE, described: Any) -> None:
    with pytest.raises(CheckpointError, match="checkpoint must") as raised:
        load_weights(rewritten(weights, described), model)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 600


def test_files_of_the_version_before_are_read(weights: Path, model: HierarchicalVAE) -> None:
    other = build_model(TrainConfig(channels=1, z_dims=(1,), seed=1), (1, 28, 28))
    load_weights(rewritten(weights, {"identity": "identity", "format": "hit-1"}), other, "identity")
    assert weights_digest(other) == weights_digest(model)


@pytest.mark.parametrize("epoch", ["-1", "1.5", "", "9" * 5000, None])
def test_a_checkpoint_says_its_epoch(tmp_path: Path, model: HierarchicalVAE, epoch: str | None) -> None:
    optimiser = torch.optim.Adam(model.parameters())
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, model, optimiser, epoch=3, identity="identity")
    assert load_checkpoint(path, model, optimiser, identity="identity") == 3
    said = {"identity": "identity", "format": "hit-1"} | ({} if epoch is None else {"epoch": epoch})
    with pytest.raises(CheckpointError, match="checkpoint must say its epoch"):
        load_checkpoint(rewritten(path, said), model, optimiser, identity="identity")
