"""Schedules of the step size: known curves, functions of the step alone."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from hit import data
from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.errors import Interrupted
from hit.models import build_model
from hit.training import fit
from hit.training.learning_rate import apply_schedule, step_size

SCHEDULES: tuple[Any, ...] = ("constant", "one_cycle", "cosine", "cooldown")


@pytest.mark.parametrize("steps", [2, 3, 10, 37, 1000])
@pytest.mark.parametrize("schedule", ["one_cycle", "cosine"])
def test_the_curves_are_torchs(schedule: str, steps: int) -> None:
    config = TrainConfig(schedule=schedule, learning_rate=3e-3)  # type: ignore[arg-type]
    ours, theirs = (torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=3e-3) for _ in range(2))
    their_schedule: LRScheduler = (
        OneCycleLR(theirs, max_lr=3e-3, total_steps=steps)
        if schedule == "one_cycle"
        else CosineAnnealingLR(theirs, T_max=steps)
    )
    for step in range(steps):
        apply_schedule(ours, config, step, steps)
        assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"], rel=1e-9, abs=1e-12)
        assert ours.param_groups[0]["betas"] == pytest.approx(theirs.param_groups[0]["betas"], rel=1e-9)
        theirs.step()
        their_schedule.step()


def test_constant_is_constant_and_one_step_is_possible() -> None:
    assert [step_size("constant", 0.1, step, 10) for step in (0, 5, 9)] == [0.1] * 3
    assert all(0 < step_size(schedule, 0.1, 0, 1) <= 0.1 for schedule in SCHEDULES)


def test_identity_is_that_of_before_at_constant() -> None:
    assert TrainConfig(schedule="constant").identity("d") == "160b1646906c0dae"
    assert len({TrainConfig(schedule=name).identity("d") for name in SCHEDULES}) == 4


@pytest.mark.parametrize("model", ["ghvae", "lvae", "vae"])
@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "cooldown"])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, schedule: str, model: str) -> None:
    whole = data.load("digits")
    few = Dataset("few", Split(whole.train.images[:100], whole.train.labels[:100]), whole.test, whole.classes)
    flat = {"model": model, "schedule": schedule, "channels": 4, "z_dims": 5, "epochs": 3, "batch_size": 40}
    config = TrainConfig.from_flat(flat)
    path = tmp_path / "checkpoint.safetensors"
    one, other = build_model(config, few.image_shape), build_model(config, few.image_shape)
    fit(one, few.train, config)
    steps = iter(range(100))

    def check() -> None:
        if next(steps) == 5:
            raise Interrupted(15)

    with pytest.raises(Interrupted):
        fit(other, few.train, config, check=check, checkpoint=path)
    resumed = build_model(replace(config, seed=1), few.image_shape)
    fit(resumed, few.train, config, checkpoint=path)
    for a, b in zip(one.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)
