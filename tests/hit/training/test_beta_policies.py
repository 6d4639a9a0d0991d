"""β policies: which one a training has, what a new one must say, and what each leaves in a checkpoint."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from hit import data
from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.errors import ConfigError
from hit.models import HierarchicalVAE, Pass, build_model
from hit.models.surface_model import SurfaceModel, condition_on_betas
from hit.training import fit
from hit.training.beta_policies import BetaPolicy, ControlledBeta, FixedBeta, SampledBeta, choose_policy
from hit.training.beta_sampling import ramp
from hit.training.gradient_clipping import GradientClip

PLAIN = {"channels": 4, "z_dims": 5, "epochs": 1, "batch_size": 500}
TARGETS = {"target_rate_1": 30}
#: What checkpoints of every version hold beside weights and Adam's state: names that later versions read.
CLIP = {"extra.clip.usual"}
CONTROLLER = {f"extra.steering.{name}" for name in ("offsets", "errors", "pulls", "gaps")}


def config(**flat: object) -> TrainConfig:
    return TrainConfig.from_flat(PLAIN | flat)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return data.load("digits")


def built(asked: TrainConfig, dataset: Dataset, *, surface: bool = False) -> HierarchicalVAE | SurfaceModel:
    model = build_model(asked, dataset.image_shape)
    return condition_on_betas(model, seed=asked.seed) if surface else model


CASES = pytest.mark.parametrize(
    ("flat", "surface", "kind", "held"),
    [
        ({}, False, FixedBeta, set()),
        (TARGETS, False, ControlledBeta, CLIP | CONTROLLER),
        ({}, True, SampledBeta, CLIP),
        (TARGETS, True, SampledBeta, CLIP),
    ],
    ids=["fixed", "targets", "surface", "surface, whose targets are not used"],
)


@CASES
def test_the_usual_policy(
    digits: Dataset, flat: dict[str, object], surface: bool, kind: type[BetaPolicy], held: set[str]
) -> None:
    asked = config(**flat)
    policy = choose_policy(asked, built(asked, digits, surface=surface), digits.train)
    assert type(policy) is kind
    assert policy.clips_gradients == (held >= CLIP)
    policy.begin_epoch(0)
    assert policy.betas(3, 0).shape == ((3, 2) if surface else (2,))
    assert str(policy) == ("β from 0.08 to 12" if surface else "β 1, 1")
    assert len(policy.final_betas) == (0 if surface else 2)


@CASES
def test_checkpoints_hold_what_those_of_every_version_do(
    digits: Dataset, tmp_path: Path, flat: dict[str, object], surface: bool, kind: type[BetaPolicy], held: set[str]
) -> None:
    asked = config(**flat)
    model = built(asked, digits, surface=surface)
    path = tmp_path / "checkpoint.safetensors"
    fit(model, digits.train, asked, checkpoint=path)
    with safe_open(path, "pt") as file:
        names = set(file.keys())
    parameters = range(len(list(model.parameters())))
    adam = {f"optimiser.{index}.{key}" for index in parameters for key in ("step", "exp_avg", "exp_avg_sq")}
    assert names == held | adam | {f"model.{name}" for name in model.state_dict()}


def test_the_config_must_have_targets_where_they_are_to_be_met(digits: Dataset) -> None:
    with pytest.raises(ConfigError, match="config must have a rate target"):
        ControlledBeta(config(), digits.train)


@pytest.mark.parametrize(
    ("top", "step", "epochs", "weighs"),
    [
        (3.0, 90, 600, False),
        (6.0, 90, 600, True),
        (3.0, 119, 600, False),
        (3.0, 120, 600, True),  # the range is as wide as it becomes
        (3.0, 1000, 10_000, True),  # trainings of so many steps have none
    ],
)
def test_at_first_a_few_nats_of_the_top_layer_cost_a_surface_nothing(
    digits: Dataset, top: float, step: int, epochs: int, weighs: bool
) -> None:
    few = Split(digits.train.images[:4], digits.train.labels[:4])
    asked = config(epochs=epochs, z_dims="4,5")
    policy = choose_policy(asked, built(asked, digits, surface=True), few)
    policy.begin_epoch(step)
    betas = policy.betas(4, step)
    rates = [torch.full((4,), rate, requires_grad=True) for rate in (0.1, 0.1, top)]
    outcome = Pass(tuple(rates), torch.ones(4), torch.ones(4), (), (), ())
    policy.losses(outcome, betas, step).sum().backward()
    for layer, rate in enumerate(rates):
        expected = betas[:, layer] / (betas.mean(1) + 0.3) ** 0.6 * ramp(step, epochs)
        if layer == 2 and not weighs:
            expected = torch.zeros(4)
        assert rate.grad is not None
        assert torch.allclose(rate.grad, expected)


class HalvedEveryStep(BetaPolicy):
    """The least that a policy must say."""

    seen: int = 0

    @property
    def final_betas(self) -> tuple[float, ...]:
        return (0.5**self.seen,) * 2

    def begin_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def betas(self, images: int, step: int) -> Tensor:
        self.seen += 1
        return torch.full((2,), 0.5**step)

    def __str__(self) -> str:
        return "β halved after every step"


def test_a_policy_of_ones_own(digits: Dataset, tmp_path: Path) -> None:
    few = Split(digits.train.images[:200], digits.train.labels[:200])
    asked = config(batch_size=64)
    result = fit(built(asked, digits), few, asked, policy=HalvedEveryStep(), checkpoint=tmp_path / "c.safetensors")
    assert result.betas == (1 / 16, 1 / 16), "4 steps"
    assert result.controller is None
    assert result.metrics["train/objective"] < result.metrics["train/distortion"] + result.metrics["train/rate"]


@pytest.mark.parametrize(("asked", "clipped"), [(TARGETS, 3), ({}, 0)])
def test_every_step_is_clipped_where_rates_are_asked_for(
    digits: Dataset, asked: dict[str, object], clipped: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[GradientClip] = []
    monkeypatch.setattr(GradientClip, "clip", lambda self: steps.append(self))
    fit(built(config(**asked), digits), digits.train, config(**asked))
    assert len(steps) == clipped
