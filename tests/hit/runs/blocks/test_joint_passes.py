"""Passes of a block's models: made together, taken apart, and by halves or alone where they cannot be."""

import logging
from typing import Any

import pytest
import torch

from hit import data
from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.errors import Interrupted
from hit.evaluation.core_metrics import pass_over_test_set
from hit.models import HierarchicalVAE, build_model
from hit.runs.blocks import joint_passes
from hit.runs.blocks.joint_passes import JointPasses
from hit.training.lockstep.layers import STRATEGIES, OneByOne, StackedLayers

BETAS = [(1.0, 1.0)] * 5
Made = list[int]


@pytest.fixture(scope="module")
def digits() -> Dataset:
    whole = data.load("digits")
    assert isinstance(whole.test, Split)
    assert whole.test.labels is not None
    return Dataset("few", whole.train, Split(whole.test.images[:30], whole.test.labels[:30]), whole.classes)


@pytest.fixture(scope="module")
def models(digits: Dataset) -> list[HierarchicalVAE]:
    config = TrainConfig(channels=2, z_dims=(3,), likelihood="gaussian")
    return [build_model(config, digits.shape).eval() for _ in BETAS]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Made:
    """How many models each pass was begun for; of more than two, memory does not suffice where `Short` is the way."""
    sizes: Made = []

    def counted(models: list[HierarchicalVAE], *arguments: Any, **options: Any) -> Any:
        sizes.append(len(models))
        if isinstance(options["stacked"], Short) and len(models) > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return pass_over_test_set(models, *arguments, **options)

    monkeypatch.setattr(joint_passes, "pass_over_test_set", counted)
    return sizes


class Short(OneByOne):
    """A way that memory does not suffice for."""


def joint(
    models: list[HierarchicalVAE], dataset: Dataset, strategy: type[StackedLayers] = OneByOne, **options: Any
) -> JointPasses:
    asked = {"keep": True, "images": 100, **options}
    return JointPasses(models, BETAS, dataset, strategy=strategy, **asked)


def test_the_first_that_asks_makes_the_pass_of_all(models: list[HierarchicalVAE], digits: Dataset, made: Made) -> None:
    passes = joint(models, digits, STRATEGIES["unfolded"])
    found = [passes.take(index) for index in range(5)]
    assert made == [5]
    for model, own, one in zip(models, BETAS, found, strict=True):
        (alone,) = pass_over_test_set([model], digits, [own], keep=True)
        assert one is not None
        assert one.core == pytest.approx(alone.core, rel=1e-4)
    assert passes.take(0) is None, "it is kept no longer"


def test_no_more_latents_are_kept_than_fit(
    models: list[HierarchicalVAE], digits: Dataset, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = sum(torch.Size(shape).numel() for shape in models[0].latent_shapes) * 30
    monkeypatch.setattr(joint_passes, "_KEPT", 2 * 4 * 4 * numbers + 1)
    passes = joint(models, digits)
    assert [passes.take(index) is not None for index in (1, 0, 2, 3, 4)] == [True] * 4 + [False]
    assert made == [2, 2], "two at once; who is left over makes its own"
    made.clear()
    assert joint(models, digits, keep=False).take(0) is not None
    assert made == [5]


def test_where_memory_does_not_suffice_it_is_made_for_fewer(
    models: list[HierarchicalVAE], digits: Dataset, made: Made
) -> None:
    passes = joint(models, digits, Short)
    assert [passes.take(index) is not None for index in range(5)] == [True] * 4 + [False]
    assert made == [5, 3, 2, 2]


def test_what_goes_wrong_is_left_to_each_alone(
    models: list[HierarchicalVAE], digits: Dataset, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(OneByOne):
        def mapped(self, *arguments: Any, **options: Any) -> tuple[torch.Tensor, ...]:
            raise NotImplementedError("no rule for it")

    with caplog.at_level(logging.WARNING):
        passes = joint(models, digits, Odd)
        assert [passes.take(index) for index in range(5)] == [None] * 5
    assert caplog.messages == ["models are measured one after the other: NotImplementedError: no rule for it"]


def test_who_is_asked_to_stop_makes_no_pass(models: list[HierarchicalVAE], digits: Dataset) -> None:
    def check() -> None:
        raise Interrupted(15)

    with pytest.raises(Interrupted):
        joint(models, digits, check=check).take(0)
