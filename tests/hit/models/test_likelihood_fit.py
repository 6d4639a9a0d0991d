"""Where a learned σ starts: at the spread of the training images, once."""

import math

import numpy as np
import pytest
import torch

from hit.config import TrainConfig
from hit.data import Split
from hit.distributions import Bernoulli, LearnedGaussian
from hit.models import build_model
from hit.models.likelihood_fit import fit_likelihood
from hit.models.surface_model import condition_on_betas
from hit.training import fit
from hit.training.lockstep import LockstepTraining, Member


def images_of_spread(spread: float, count: int = 400, classes: int = 1) -> Split:
    """8 × 8 images about grey; of each class an equal share, at a grey of its own, sorted as in a folder."""
    levels = np.random.default_rng(0).normal(128, 255 * spread, (count, 1, 8, 8))
    if classes > 1:
        levels = np.repeat(np.linspace(20, 235, classes), count // classes)[:, None, None, None] + 0 * levels
    return Split(torch.from_numpy(levels.clip(0, 255).round().astype(np.uint8)))


CONFIG = TrainConfig(likelihood="gaussian_learned", channels=4, z_dims=(5,), epochs=1, batch_size=100, seed=3)


@pytest.mark.parametrize("spread", [0.02, 0.1, 0.2])
def test_a_learned_sigma_starts_at_the_spread_of_the_images(spread: float) -> None:
    train = images_of_spread(spread)
    likelihood = LearnedGaussian()
    assert likelihood.untrained
    fit_likelihood(likelihood, train)
    found = (train.images / 255).std(0).square().mean().sqrt()
    assert float(likelihood.limited_log_sigma().exp().detach()) == pytest.approx(float(found), rel=0.01)
    assert not likelihood.untrained


def test_images_lie_class_by_class_and_are_taken_from_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hit.models.likelihood_fit._SPREAD_OF", 40 * 64)  # 40 of 400 images
    likelihood = LearnedGaussian()
    train = images_of_spread(0, classes=4)
    fit_likelihood(likelihood, train)
    found = float((train.images / 255).std(0).square().mean().sqrt())
    assert float(likelihood.limited_log_sigma().exp().detach()) == pytest.approx(found, rel=0.02)


def test_images_that_are_all_the_same_leave_a_sigma_that_is_finite() -> None:
    likelihood = LearnedGaussian()
    fit_likelihood(likelihood, Split(torch.full((10, 1, 8, 8), 7, dtype=torch.uint8)))
    assert float(likelihood.limited_log_sigma().detach()) == pytest.approx(-5)


def test_a_sigma_that_was_trained_stays() -> None:
    likelihood = LearnedGaussian()
    with torch.no_grad():
        likelihood.log_sigma.fill_(-1.5)
    fit_likelihood(likelihood, images_of_spread(0.1))
    assert likelihood.log_sigma.item() == -1.5


def test_other_likelihoods_take_nothing_from_images() -> None:
    likelihood = Bernoulli()
    fit_likelihood(likelihood, images_of_spread(0.1))
    assert not list(likelihood.parameters()) + list(likelihood.buffers())


@pytest.mark.parametrize("how", ["alone", "surface", "block"])
def test_every_training_starts_there(how: str) -> None:
    """A step of Adam moves log σ by the step size at most: after one epoch it is still near."""
    train = images_of_spread(0.1)
    model = build_model(CONFIG, (1, 8, 8))
    if how == "alone":
        fit(model, train, CONFIG)
    elif how == "surface":
        fit(condition_on_betas(model), train, CONFIG)
    else:
        LockstepTraining([Member(CONFIG, model)], train).run_epoch(0)
    sigma = model.likelihood.limited_log_sigma()  # type: ignore[operator]
    assert abs(float(sigma.detach()) - math.log(0.1)) < 4 * CONFIG.learning_rate + 0.02
