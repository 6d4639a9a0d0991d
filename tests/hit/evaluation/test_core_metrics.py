"""One pass over the test set for many models: each has the numbers that it has alone, however they are computed."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch

from hit import data
from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.evaluation import core_metrics, evaluate_model
from hit.evaluation.core_metrics import MeasuredPass, pass_over_test_set
from hit.models import HierarchicalVAE, build_model
from hit.training.lockstep.layers import STRATEGIES, StackedLayers
from tests.benchmarks.gpu_evaluation import Operators

_COMMON = {"channels": 2, "z_dims": 3, "likelihood": "gaussian", "sigma": 0.5}
_KINDS = {
    "ghvae": {},
    "lvae conv": {"model": "lvae", "latent": "conv", "likelihood": "bernoulli"},
    "vae": {"model": "vae", "likelihood": "gaussian_learned"},
    "categories": {"posterior": "gumbel_softmax", "z_dims": "4,3"},
    "mixture": {"model": "lvae", "likelihood": "mol"},
    "deep": {"model": "deep", "model.latents": "1x1x2,4x4x1"},
    "vectors": {"model": "lvae"},
}
BETAS = (0.3, 2.0, 1.0)


@pytest.fixture(autouse=True)
def _double_and_no_loops(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Rounding shows, images come in several batches, models in two parts, and `vmap` computes none after the other."""
    monkeypatch.setattr(core_metrics, "_BATCH", 16)
    monkeypatch.setattr(StackedLayers, "at_once", 2)
    torch.set_default_dtype(torch.float64)
    torch._C._functorch._set_vmap_fallback_enabled(False)
    yield
    torch._C._functorch._set_vmap_fallback_enabled(True)
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    whole = data.load("digits")
    test = Split(whole.test.images[:40], None if whole.test.labels is None else whole.test.labels[:40])
    return Dataset("few", whole.train, test, whole.classes)


def vectors() -> Dataset:
    numbers = torch.randn(60, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    return Dataset("vectors", Split(numbers[:20]), Split(numbers[20:]), 0)


def models_of(kind: str, dataset: Dataset) -> list[HierarchicalVAE]:
    config = TrainConfig.from_flat({**_COMMON, **_KINDS[kind]})
    models = [build_model(config, dataset.shape).eval() for _ in BETAS]
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for model in models:
            for parameter in model.parameters():
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=draw))
    return models


def passes(models: Sequence[HierarchicalVAE], dataset: Dataset, **options: Any) -> list[MeasuredPass]:
    betas = [(beta,) * models[0].layers for beta in BETAS]
    if "stacked" in options:
        return pass_over_test_set(models, dataset, betas, keep=True, **options)
    return [pass_over_test_set([one], dataset, [own], keep=True)[0] for one, own in zip(models, betas, strict=True)]


def assert_same(found: MeasuredPass, alone: MeasuredPass) -> None:
    assert found.core == pytest.approx(alone.core, rel=1e-9, abs=1e-9)
    assert list(found.core) == list(alone.core)
    for own, expected in zip(found.layers, alone.layers, strict=True):
        assert (own.number, own.top, own.means.device.type) == (expected.number, expected.top, "cpu")
        assert own.rate == pytest.approx(expected.rate, rel=1e-9)
        torch.testing.assert_close((own.means, own.samples), (expected.means, expected.samples), rtol=1e-9, atol=1e-9)
        assert (own.posterior is None) == (expected.posterior is None)
        if own.posterior is not None and expected.posterior is not None:
            torch.testing.assert_close(own.posterior.std, expected.posterior.std, rtol=1e-9, atol=1e-9)
    if found.features is None or alone.features is None:
        assert found.features is alone.features is None
    else:
        assert found.features.r2 == pytest.approx(alone.features.r2, rel=1e-9)


@pytest.mark.parametrize("kind", _KINDS)
def test_each_model_has_the_numbers_that_it_has_alone(kind: str, digits: Dataset) -> None:
    dataset = vectors() if kind == "vectors" else digits
    models = models_of(kind, dataset)
    alone = passes(models, dataset)
    assert alone[0].core["test/elbo"] != alone[1].core["test/elbo"]
    for way in STRATEGIES.values():
        found = passes(models, dataset, stacked=way(models), most=15)
        for one, expected in zip(found, alone, strict=True):
            assert_same(one, expected)


@pytest.mark.parametrize("way", STRATEGIES)
def test_a_model_that_gives_no_numbers_spoils_no_other(way: str, digits: Dataset) -> None:
    models = models_of("ghvae", digits)
    alone = passes(models, digits)
    with torch.no_grad():
        next(models[1].parameters()).fill_(torch.nan)
    found = passes(models, digits, stacked=STRATEGIES[way](models))
    assert found[1].core["test/elbo"] != found[1].core["test/elbo"]
    assert_same(found[0], alone[0])
    assert_same(found[2], alone[2])


@pytest.mark.parametrize("way", ["grouped", "unfolded"])
def test_more_models_take_no_more_operators(way: str, digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StackedLayers, "at_once", 64)
    counts = []
    for members in (2, 3):
        models = models_of("ghvae", digits)[:members]
        with Operators() as operators:
            stacked = STRATEGIES[way](models)
            begun = operators.count
            pass_over_test_set(models, digits, [None] * members, keep=False, stacked=stacked)
        counts.append(operators.count - begun)
    assert counts[0] > 100
    # what comes to the metrics of each from the numbers of its images, on the CPU
    assert counts[1] - counts[0] < 50


def test_an_evaluation_takes_what_a_pass_has_told(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    model = models_of("ghvae", digits)[0]
    expected = evaluate_model(model, digits, (1.0, 1.0), {"latents"}).metrics
    (passed,) = pass_over_test_set([model], digits, [(1.0, 1.0)], keep=True)
    monkeypatch.setattr("hit.evaluation.evaluation.pass_over_test_set", None)
    found = evaluate_model(model, digits, (1.0, 1.0), {"latents"}, passed=passed).metrics
    assert found | {"test/seconds": 0} == expected | {"test/seconds": 0}
