"""H(y), and I(y; z) against a direct evaluation, closed forms and the research code."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hit.metrics import (
    categorical_information_density,
    entropy,
    information,
    information_density,
)


def mutual_information(*args: Any, **options: Any) -> float:
    """I(y; z) as a number: the mean of the density."""
    return float(information_density(*args, **options).mean())


def direct(mean: Tensor, std: Tensor, labels: Tensor, samples: Tensor) -> float:
    """The definition, term by term, in float64."""
    logs = torch.distributions.Normal(mean, std).log_prob(samples[:, None]).sum(2)
    same = labels[:, None] == labels
    class_sum = logs.masked_fill(~same, -math.inf).logsumexp(1)
    frequency = same.double().mean(1)
    return float((class_sum - logs.logsumexp(1) - frequency.log()).mean())


def posteriors(
    points: int, dims: int, seed: int, smallest: float = 0.2, offset: float = 0.0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Posteriors in clusters as wide as the posteriors are, so that several overlap at any scale."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    clusters = 1 + points // 10
    cluster = torch.randint(clusters, (points,), generator=generator)
    std = smallest * (1 + torch.rand(points, dims, generator=generator, dtype=torch.float64))
    mean = offset + 2 * normal(clusters, dims)[cluster] + std * normal(points, dims) / math.sqrt(dims)
    labels = (cluster + torch.randint(2, (points,), generator=generator)) % 4
    return mean, std, labels, mean + std * normal(points, dims)


@pytest.mark.parametrize("offset", [0.0, 1e3])
@pytest.mark.parametrize("smallest", [0.3, 1e-3, 1e-5, 1e-8])
@pytest.mark.parametrize("dims", [1, 20, 128])
def test_agrees_with_the_definition_at_every_scale(dims: int, smallest: float, offset: float) -> None:
    mean, std, labels, samples = posteriors(150, dims, seed=1, smallest=smallest, offset=offset)
    expected = direct(mean, std, labels, samples)
    assert 0.01 < expected < entropy(labels) - 0.01  # neither end, where anything would agree
    assert mutual_information(mean, std, labels, samples) == pytest.approx(expected, abs=1e-6)


def test_products_alone_would_not_do_at_the_smallest_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    mean, std, labels, samples = posteriors(150, 20, seed=1, smallest=1e-8)
    monkeypatch.setattr(information, "_TOLERANCE", math.inf)
    assert abs(mutual_information(mean, std, labels, samples) - direct(mean, std, labels, samples)) > 1e-3


def test_float32_posteriors_are_measured_in_float64() -> None:
    mean, std, labels, samples = (t.float() if t.is_floating_point() else t for t in posteriors(150, 20, 2, 1e-3))
    expected = direct(mean.double(), std.double(), labels, samples.double())
    assert mutual_information(mean, std, labels, samples) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 60), st.integers(1, 5), st.integers(0, 1000), st.integers(1, 5000))
def test_order_names_of_labels_and_chunks_do_not_matter(points: int, dims: int, seed: int, chunk: int) -> None:
    mean, std, labels, samples = posteriors(points, dims, seed)
    expected = mutual_information(mean, std, labels, samples)
    order = torch.randperm(points, generator=torch.Generator().manual_seed(seed))
    names = torch.tensor([7, -3, 1000, 0])
    assert expected <= entropy(labels) + 1e-12
    assert mutual_information(mean[order], std[order], labels[order], samples[order]) == pytest.approx(expected)
    assert mutual_information(mean, std, names[labels], samples) == pytest.approx(expected, abs=1e-12)
    assert mutual_information(mean, std, labels, samples, chunk=chunk) == pytest.approx(expected, abs=1e-12)


def test_latents_of_any_shape_are_vectors() -> None:
    mean, std, labels, samples = posteriors(40, 12, seed=3)
    shaped = (tensor.view(40, 3, 2, 2) for tensor in (mean, std))
    expected = mutual_information(mean, std, labels, samples)
    assert mutual_information(*shaped, labels, samples.view(40, 3, 2, 2)) == expected


def test_one_posterior_for_all_tells_nothing() -> None:
    labels = torch.arange(500) % 10
    mean, std = torch.full((500, 4), 3.0), torch.full((500, 4), 0.7)
    measured = mutual_information(mean, std, labels, generator=torch.Generator().manual_seed(0))
    assert measured == pytest.approx(0.0, abs=1e-12)


def test_next_to_no_information_may_be_slightly_negative() -> None:
    labels = torch.arange(500) % 10
    mean = 1e-3 * torch.randn(500, 4, generator=torch.Generator().manual_seed(0))
    draws = [
        mutual_information(mean, torch.ones(500, 4), labels, generator=torch.Generator().manual_seed(seed))
        for seed in range(8)
    ]
    assert all(abs(draw) < 1e-3 for draw in draws)
    assert min(draws) < 0


def test_separated_classes_tell_the_label() -> None:
    labels = torch.tensor([0] * 50 + [1] * 30 + [2] * 20)
    mean = 40.0 * labels[:, None] + torch.randn(100, 3, generator=torch.Generator().manual_seed(0))
    measured = mutual_information(mean, torch.full((100, 3), 0.5), labels, generator=torch.Generator().manual_seed(0))
    assert measured == pytest.approx(-(0.5 * math.log(0.5) + 0.3 * math.log(0.3) + 0.2 * math.log(0.2)), abs=1e-9)


def test_two_gaussians_carry_what_the_binary_channel_carries() -> None:
    # y = ±1, z ~ N(y, 1): I = ln 2 − E ln(1 + exp(−2z)) over z ~ N(1, 1), by Gauss-Hermite quadrature
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    expected = math.log(2) - float(weights @ np.log1p(np.exp(-2 * (nodes + 1)))) / math.sqrt(2 * math.pi)
    assert expected == pytest.approx(0.33687, abs=1e-4)  # nats at 0 dB: 0.486 bits
    labels = torch.arange(4000) % 2
    mean = 2.0 * labels[:, None] - 1
    measured = mutual_information(mean, torch.ones_like(mean), labels, generator=torch.Generator().manual_seed(0))
    assert measured == pytest.approx(expected, abs=4 * 0.6 / math.sqrt(4000))


def test_posteriors_without_width_are_points() -> None:
    mean = torch.tensor([[0.0, 1.0], [0.0, 1.0], [5.0, 1.0], [5.0, -2.0]])
    labels = torch.tensor([0, 1, 0, 0])
    measured = mutual_information(mean, torch.zeros(4, 2), labels, generator=torch.Generator())
    # two points of different classes coincide: I = H(y) − (1/2) ln 2
    assert measured == pytest.approx(entropy(labels) - 0.5 * math.log(2), abs=1e-12)


def test_what_is_not_finite_gives_no_number() -> None:
    mean, std, labels, samples = posteriors(20, 2, seed=0)
    mean[3, 1] = math.nan
    assert math.isnan(mutual_information(mean, std, labels, samples))


def test_golden(golden: Path) -> None:
    with np.load(golden / "estimators.npz") as estimators:
        mean, std, labels = (torch.from_numpy(estimators[name]) for name in ("mean", "std", "labels"))
        expected = float(estimators["mi_monte_carlo_mean"])
        standard_error = float(estimators["mi_monte_carlo_sem"])  # of the mean of 8 repetitions
    generator = torch.Generator().manual_seed(0)
    ours = np.mean([mutual_information(mean, std, labels, generator=generator) for _ in range(8)])
    assert ours == pytest.approx(expected, abs=4 * math.sqrt(2) * standard_error)


def test_terms_stand_in_the_order_of_the_points() -> None:
    mean, std, labels, samples = posteriors(60, 3, seed=4)
    terms = information_density(mean, std, labels, samples, chunk=500)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(0))
    shuffled = information_density(mean[order], std[order], labels[order], samples[order])
    torch.testing.assert_close(shuffled, terms[order])
    logs = torch.distributions.Normal(mean, std).log_prob(samples[:, None]).sum(2)
    same = (labels[7] == labels).double()
    expected = (logs[7].exp() @ same / same.sum()).log() - logs[7].exp().mean().log()
    assert float(terms[7]) == pytest.approx(float(expected), abs=1e-9)


def test_counts_golden(golden: Path) -> None:
    with np.load(golden / "estimators.npz") as estimators:
        counts, expected = torch.from_numpy(estimators["count_matrix"]).long(), float(estimators["mi_discrete"])
    category, label = counts.nonzero().T
    repeats = counts[category, label]
    density = categorical_information_density(category.repeat_interleave(repeats), label.repeat_interleave(repeats))
    # the research code adds 1e-5 to every count
    assert float(density.mean()) == pytest.approx(expected, abs=1e-6)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=60), st.integers(0, 1000))
def test_information_of_counts(pairs: list[tuple[int, int]], seed: int) -> None:
    categories, labels = torch.tensor(pairs).T
    density = categorical_information_density(categories, labels)
    joint = entropy(categories * 10 + labels)
    assert float(density.mean()) == pytest.approx(entropy(categories) + entropy(labels) - joint, abs=1e-9)
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(seed))
    names, marks = torch.tensor([9, -2, 0, 700, 3]), torch.tensor([5, 1, -8, 0])
    renamed = categorical_information_density(names[categories][order], marks[labels][order])
    torch.testing.assert_close(renamed, density[order])
    assert float(categorical_information_density(labels, labels).mean()) == pytest.approx(entropy(labels), abs=1e-12)


def test_counts_that_do_not_fit_are_refused() -> None:
    for categories, labels in ((torch.zeros(3), torch.zeros(2)), (torch.zeros(0), torch.zeros(0))):
        with pytest.raises(ValueError, match="expected N categories and N labels"):
            categorical_information_density(categories, labels)


def test_entropy() -> None:
    assert entropy(torch.arange(10).repeat(7)) == pytest.approx(math.log(10))
    assert entropy(torch.full((5,), 3)) == 0.0
    assert entropy(torch.tensor([1, 0, 1, 1])) == pytest.approx(0.562335, abs=1e-6)
    with pytest.raises(ValueError, match="at least one label"):
        entropy(torch.empty(0, dtype=torch.int64))


def test_arguments_that_do_not_fit_are_refused() -> None:
    mean, std, labels, samples = posteriors(20, 2, seed=0)
    with pytest.raises(ValueError, match=r"expected std of shape \(20, 2\)"):
        mutual_information(mean, std[:, :1], labels, samples)
    with pytest.raises(ValueError, match=r"expected samples of shape \(20, 2\)"):
        mutual_information(mean, std, labels, samples[:1])
    with pytest.raises(ValueError, match="N labels"):
        mutual_information(mean, std, labels[:5], samples)
    with pytest.raises(ValueError, match="std must not be negative"):
        mutual_information(mean, -std, labels, samples)
    with pytest.raises(ValueError, match="samples or a generator"):
        mutual_information(mean, std, labels)
    with pytest.raises(ValueError, match="samples or a generator"):
        mutual_information(mean, std, labels, samples, generator=torch.Generator())
