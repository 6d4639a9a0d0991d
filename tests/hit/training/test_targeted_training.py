"""Trainings whose β are moved to rate targets: they meet them, go on where they stopped, and tell what they do."""

from pathlib import Path

import pytest
import torch

from hit import data
from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.errors import Interrupted
from hit.evaluation import evaluate_model
from hit.models import HierarchicalVAE, build_model
from hit.training import FitResult, fit
from hit.training.loop import Epoch
from hit.training.rate_controller import RateController


def config(**flat: object) -> TrainConfig:
    return TrainConfig.from_flat({"channels": 4, "z_dims": 5, "batch_size": 64, **flat})


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return data.load("digits")


def train(
    digits: Dataset, asked: TrainConfig, checkpoint: Path | None = None, stop_after: int = 0
) -> tuple[HierarchicalVAE, FitResult, list[Epoch]]:
    model = build_model(asked, digits.image_shape)
    epochs: list[Epoch] = []
    steps = iter(range(10**9))

    def check() -> None:
        if stop_after and next(steps) >= stop_after:
            raise Interrupted(15)

    fitted = fit(
        model,
        digits.train,
        asked,
        on_epoch=epochs.append,
        check=check,
        checkpoint=checkpoint,
        identity=str(asked),
    )
    return model, fitted, epochs


@pytest.mark.parametrize(
    "flat", [{"target_rate_1": 30}, {"target_rate": 25}, {"target_rate_1": 15, "model": "vae"}], ids=str
)
def test_a_short_training_ends_with_the_rates_that_were_asked_for(digits: Dataset, flat: dict[str, object]) -> None:
    asked = config(epochs=12, learning_rate=5e-3, schedule="one_cycle", **flat)
    model, fitted, _ = train(digits, asked)
    missed = asked.targets.relative_errors("test", evaluate_model(model, digits, fitted.betas).metrics)
    assert list(missed.values()) == pytest.approx([0], abs=0.15)


@pytest.mark.parametrize(
    ("flat", "stop_after"),
    [
        *(({"target_rate_1": 20, "max_rate_2": 3, "schedule": "one_cycle"}, stop) for stop in (3, 8, 13)),
        ({"target_rate": 20, "model": "lvae", "epochs": 5}, 8),
        ({"target_rate_2": 1, "posterior": "gumbel_softmax", "schedule": "cosine"}, 13),
    ],
    ids=str,
)
def test_a_resumed_run_with_targets_equals_an_uninterrupted_one(
    digits: Dataset, tmp_path: Path, flat: dict[str, object], stop_after: int
) -> None:
    """4 steps an epoch, the last one short."""
    assert_resumes(digits, tmp_path, config(**{"epochs": 4, "learning_rate": 3e-3, **flat}), 200, stop_after)


@pytest.mark.parametrize(
    "flat",
    [
        {"z_dims": "2,3,4,5", "target_rate_1": 6, "target_rate_2": 4, "target_rate_3-5": 4},
        {"model": "deep", "model.latents": "1x1x2,2x2x2,4x4x1", "target_rate_1": 6, "max_rate_2-3": 0.5},
    ],
    ids=["dense", "maps"],
)
def test_so_does_one_of_many_layers_with_groups_and_images_held_out(
    digits: Dataset, tmp_path: Path, flat: dict[str, object]
) -> None:
    """8 steps an epoch; the step size and what the loss presses with depend on the step."""
    asked = config(epochs=3, learning_rate=3e-3, schedule="cooldown", **{"channels": 2, **flat})
    controller = assert_resumes(digits, tmp_path, asked, 520, stop_after=13)
    assert controller.state.gaps.any()


def assert_resumes(digits: Dataset, tmp_path: Path, asked: TrainConfig, images: int, stop_after: int) -> RateController:
    """A training of the first images that is stopped goes on to the same end to the last bit; its controller."""
    part = Split(digits.train.images[:images], digits.train.labels[:images])
    few = Dataset("few", part, digits.test, digits.classes)
    whole, fitted, epochs = train(few, asked)
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Interrupted):
        train(few, asked, path, stop_after)
    resumed, again, rest = train(few, asked, path)
    assert again.betas == fitted.betas
    assert all(
        torch.equal(a, b) for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True)
    )
    for one, other in zip(epochs[-len(rest) :], rest, strict=True):
        assert one.metrics | {"train/seconds": 0} == other.metrics | {"train/seconds": 0}
    assert train(few, asked, path)[1].betas == fitted.betas, "what is evaluated after a kill is the same, too"
    assert again.controller is not None
    return again.controller


def test_the_betas_of_a_ladder_move_once_it_is_warm(digits: Dataset) -> None:
    few = Dataset("few", Split(digits.train.images[:200], digits.train.labels[:200]), digits.test, digits.classes)
    _, _, epochs = train(few, config(model="lvae", epochs=10, target_rate_1=20, beta_1=0.7))
    assert [epoch.metrics["train/beta_1"] for epoch in epochs[:2]] == pytest.approx([0, 0.35])
    assert epochs[2].metrics["train/beta_1"] != pytest.approx(0.7, abs=1e-3)
    assert epochs[-1].metrics["train/beta_2"] == 1


def test_every_epoch_tells_beta_and_the_relative_error(digits: Dataset) -> None:
    few = Dataset("few", Split(digits.train.images[:200], digits.train.labels[:200]), digits.test, digits.classes)
    _, _, (epoch,) = train(few, config(epochs=1, target_rate_2=7, max_rate=40))
    told = epoch.metrics
    assert told["train/rate_error_2"] == pytest.approx(told["train/rate_2"] / 7 - 1)
    assert told["train/rate_error"] == pytest.approx(told["train/rate"] / 40 - 1)
    assert "train/rate_error_1" not in told
