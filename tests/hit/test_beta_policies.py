"""A training with rate targets clips its gradients, and another does not."""

import pytest

from hit import data
from hit.config import TrainConfig
from hit.gradient_clipping import GradientClip
from hit.models import build_model
from hit.training import fit

PLAIN = {"channels": 4, "z_dims": 5, "epochs": 1, "batch_size": 500}


@pytest.mark.parametrize(("asked", "clipped"), [({"target_rate_1": 30}, 3), ({}, 0)])
def test_every_step_is_clipped_where_rates_are_asked_for(
    asked: dict[str, float], clipped: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[GradientClip] = []
    monkeypatch.setattr(GradientClip, "clip", lambda self: steps.append(self))
    digits = data.load("digits")
    config = TrainConfig.from_flat(PLAIN | asked)
    fit(build_model(config, digits.image_shape), digits.train, config, on_epoch=lambda epoch: None)
    assert len(steps) == clipped
