"""What the metrics of one binary-MNIST model cost, each one's share; printed, nothing is asserted about time."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

import hit.evaluation.evaluation
import hit.evaluation.latents
import hit.evaluation.samples
from hit import data
from hit.classifiers.networks import build_classifier
from hit.classifiers.scorer import SampleScorer
from hit.classifiers.training import fit_classifier
from hit.config import TrainConfig
from hit.evaluation import evaluate_model
from hit.models import build_model
from hit.processes.cpus import available_cpus
from hit.training import fit

#: Module, function and what it is for people.
_PARTS = [
    (hit.evaluation.evaluation, "pass_over_test_set", "pass over the test set"),
    (hit.evaluation.latents, "principal_components", "principal components"),
    (hit.evaluation.latents, "information_density", "mutual information, Monte Carlo"),
    (hit.evaluation.latents, "mixed_ksg", "mutual information, Mixed-KSG"),
    (hit.evaluation.latents, "accuracies", "probes"),
    (hit.evaluation.samples, "_reconstructions", "classifier on reconstructions"),
    (hit.evaluation.samples, "frechet_distance", "Fréchet distance"),
    (hit.evaluation.samples, "neighbourhoods", "precision, recall, density, coverage"),
]


@pytest.mark.timeout(1800)
def test_shares_of_the_evaluation(
    benchmark: BenchmarkFixture, mnist_root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not benchmark.enabled:
        pytest.skip("trains for a minute: run it with --benchmark-enable")
    torch.set_num_threads(available_cpus())
    dataset = data.load("binary_mnist", str(mnist_root))
    config = TrainConfig(dataset="binary_mnist", epochs=3)
    model = build_model(config, dataset.image_shape)
    fit(model, dataset.train, config)
    classifier = build_classifier(dataset.image_shape, dataset.classes)
    fit_classifier(classifier, dataset.train, epochs=1, batch_size=128, learning_rate=1e-3, seed=0, augmentation="none")
    spent: Counter[str] = Counter()
    for module, name, label in _PARTS:
        monkeypatch.setattr(module, name, _timed(getattr(module, name), label, spent))
    scorer = SampleScorer(classifier)

    def measure() -> None:
        started = time.perf_counter()
        evaluate_model(model, dataset, config.betas, {"core", "latents", "generation"}, scorer=scorer)
        spent["all"] += time.perf_counter() - started

    benchmark.pedantic(measure, rounds=1)
    with capsys.disabled():
        rest = spent["all"] - sum(seconds for label, seconds in spent.items() if label != "all")
        print(f"\nN = {len(dataset.test)}, {torch.get_num_threads()} threads")
        for label, seconds in [*spent.most_common(), ("the rest (samples and the classifier on them)", rest)]:
            print(f"{seconds:7.1f} s  {label}")


def _timed(function: Callable[..., Any], label: str, spent: Counter[str]) -> Callable[..., Any]:
    def timed(*arguments: Any, **options: Any) -> Any:
        layer = f", z of {arguments[0].shape[1]} dimensions" if label in ("probes",) else ""
        started = time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            spent[label + layer] += time.perf_counter() - started

    return timed
