"""The gaps of held-out images of many models are those of each alone."""

import pytest
import torch

from hit import data
from hit.config import TrainConfig
from hit.data import Split
from hit.models import build_model
from hit.training.generalization_gap import hold_out
from hit.training.lockstep.held_out import log_gaps
from hit.training.lockstep.layers import STRATEGIES


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_gaps_are_those_that_each_has_alone(strategy: str) -> None:
    digits = Split(data.load("digits").train.images[:600])
    config, seeds = TrainConfig(channels=2, z_dims=(3,), likelihood="gaussian"), (3, 4)
    models = [build_model(config, digits.shape) for _ in seeds]
    with torch.no_grad():
        for parameter in models[1].parameters():
            parameter.mul_(1.5)
    parts = [hold_out(digits, seed) for seed in seeds]
    assert len(parts[0].unseen) == 60
    sums = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    layers = STRATEGIES[strategy](models)
    shrunk = (False, True)
    found = log_gaps(parts, layers, digits, seeds, torch.stack([sums, sums]), shrunk)
    for gaps, part, model, seed, both in zip(found, parts, models, seeds, shrunk, strict=True):
        alone = part.log_gap(model, digits, seed, sums, shrunk=both)
        torch.testing.assert_close(gaps, alone, rtol=1e-9, atol=1e-9)
    assert found.abs().max() > 0
