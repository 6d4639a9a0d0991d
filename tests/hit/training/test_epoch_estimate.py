"""A line on what a long training takes, once, and none on a short one."""

import logging

import pytest
import torch

from hit.config import TrainConfig
from hit.data import Split
from hit.models import build_model
from hit.training import epoch_estimate, fit
from hit.training.epoch_estimate import LONG, EpochEstimate


class Clock:
    """A second and a half a step, but for the first one."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 1.5
        return self.now


def lines(caplog: pytest.LogCaptureFixture, steps: int, epochs: int, made: int = 9) -> list[str]:
    caplog.set_level(logging.INFO, "hit")
    estimate = EpochEstimate(torch.nn.Linear(999, 2), steps, epochs, Clock())
    for _ in range(made):
        estimate.after_step()
    return caplog.messages


def test_a_long_training_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    assert lines(caplog, steps=1000, epochs=10) == [
        "2,000 parameters; an epoch of 1,000 steps takes about 25 min, all 10 about 4.2 h "
        "(estimated from the first 2 steps)"
    ]


def test_of_one_epoch_too(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = lines(caplog, steps=1000, epochs=1)
    assert "an epoch of 1,000 steps takes about 25 min (estimated" in line


@pytest.mark.parametrize(("steps", "epochs", "made"), [(10, int(LONG / 15) - 1, 9), (10**6, 100, 1)])
def test_a_short_one_is_not_nor_one_step(caplog: pytest.LogCaptureFixture, steps: int, epochs: int, made: int) -> None:
    assert lines(caplog, steps, epochs, made) == []


def test_training_tells_it(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are those of what is trained on, and epochs those that are left."""
    monkeypatch.setattr(epoch_estimate, "_TIMED", 0.0)
    monkeypatch.setattr(epoch_estimate, "LONG", 0.0)
    caplog.set_level(logging.INFO, "hit")
    config = TrainConfig(channels=2, z_dims=(3,), epochs=2, batch_size=5)
    train = Split(torch.randint(0, 256, (12, 1, 9, 13), dtype=torch.uint8), torch.arange(12) % 2)
    model = build_model(config, train.image_shape)
    fit(model, train, config)
    (line,) = caplog.messages
    count = sum(parameter.numel() for parameter in model.parameters())
    assert line.startswith(f"{count:,} parameters; an epoch of 3 steps takes about ")
    assert ", all 2 about " in line
