"""An evaluation computes where its model is: no tensor of the CPU among those of a device, no number that differs."""

from pathlib import Path

import pytest
import torch

from hit import data
from hit.classifiers.networks import build_classifier
from hit.classifiers.scorer import SampleScorer
from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.evaluation import evaluate_model
from hit.evaluation.core_metrics import pass_over_test_set
from hit.evaluation.pictures import reconstructions, samples, save_grid, traversal
from hit.metrics.generation import GENERATION
from hit.models import build_model
from hit.training.lockstep.layers import STRATEGIES
from tests.one_device import DEVICE, BesideCpu

_KINDS = {
    "ghvae": {"z_dims": "3"},
    "mixture": {"model": "lvae", "likelihood": "mol"},
    "categories": {"posterior": "gumbel_softmax", "z_dims": "5"},
    "vectors": {"likelihood": "gaussian"},
}


@pytest.fixture(scope="module")
def digits() -> Dataset:
    whole = data.load("digits")
    assert isinstance(whole.test, Split)
    assert whole.test.labels is not None
    few = Dataset("few", whole.train, Split(whole.test.images[:60], whole.test.labels[:60]), whole.classes)
    assert few.digest
    return few


def vectors() -> Dataset:
    numbers = torch.randn(60, 12, generator=torch.Generator().manual_seed(0))
    return Dataset("vectors", Split(numbers[:20], numbers[:20, 0].clone()), Split(numbers[20:], numbers[20:, 0]), 0)


def config(kind: str) -> TrainConfig:
    return TrainConfig.from_flat({"channels": 2, **_KINDS[kind]})


def test_the_device_refuses_what_a_gpu_refuses() -> None:
    with BesideCpu():
        there = torch.ones(2, 3).to(DEVICE)
        drawn = torch.randn(2, 3, generator=torch.Generator(DEVICE).manual_seed(0), device=DEVICE)
        assert ((there + drawn) * torch.tensor(2.0)).sum().item() != 0
        assert there[torch.tensor([1])].cpu().numpy().shape == (1, 3)
        with pytest.raises(AssertionError, match=r"aten\.add\.Tensor must have tensors of one device"):
            there + torch.ones(2, 3)
        with pytest.raises(AssertionError, match="must be moved to the CPU before numpy sees it"):
            there.numpy()
    assert torch.equal(torch.ones(2) + torch.tensor(1.0), torch.full((2,), 2.0))


@pytest.mark.parametrize("kind", _KINDS)
def test_metrics_are_those_of_the_cpu(kind: str, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hit.evaluation.samples.GENERATION", GENERATION.__class__(samples=60))
    dataset = vectors() if kind == "vectors" else digits
    model = build_model(config(kind), dataset.shape).eval()
    groups, scorer = {"latents", "extensions"}, None
    if kind == "ghvae":
        groups |= {"generation", "coding"}
        scorer = SampleScorer(build_classifier(digits.image_shape, digits.classes).eval(), "run", "0")
    expected = evaluate_model(model, dataset, None, groups, scorer=scorer)
    with BesideCpu():
        if scorer is not None:
            scorer = SampleScorer(scorer.classifier.to(DEVICE), "run", "0")
        found = evaluate_model(model.to(DEVICE), dataset.to(DEVICE), None, groups, scorer=scorer)
    assert found.skipped == expected.skipped
    timed = {"test/seconds": 0, "sample/seconds": 0}
    assert found.metrics | timed == pytest.approx(expected.metrics | timed, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("way", STRATEGIES)
def test_a_pass_of_many_models_is_made_there(way: str, digits: Dataset) -> None:
    models = [build_model(config("ghvae"), digits.shape).eval() for _ in range(2)]
    alone = [pass_over_test_set([model], digits, [None], keep=True)[0] for model in models]
    with BesideCpu():
        there = [model.to(DEVICE) for model in models]
        found = pass_over_test_set(there, digits.to(DEVICE), [None] * 2, keep=True, stacked=STRATEGIES[way](there))
    for one, expected in zip(found, alone, strict=True):
        assert one.core == pytest.approx(expected.core, rel=1e-4)
        assert all(layer.means.device.type == "cpu" for layer in one.layers)


@pytest.mark.parametrize("kind", ["ghvae", "categories"])
def test_pictures_are_drawn_there(kind: str, digits: Dataset, tmp_path: Path) -> None:
    model = build_model(config(kind), digits.shape).eval()
    with BesideCpu():
        there, images = model.to(DEVICE), digits.to(DEVICE).test.head(3)
        for grid in (reconstructions(there, images), samples(there, count=3), traversal(there, 1), traversal(there, 2)):
            assert grid.device == DEVICE
            assert save_grid(grid, tmp_path / "grid.png").stat().st_size > 0
