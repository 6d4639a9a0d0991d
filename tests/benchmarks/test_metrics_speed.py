"""Seconds of the measurements at the size of a test set: `pytest tests/benchmarks --benchmark-enable`."""

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

from hit.metrics import accuracies, information_density, mixed_ksg, squared_error
from tests.hit.metrics.test_mixed_ksg import point_by_point

POINTS = 10_000


@pytest.fixture
def points(benchmark: BenchmarkFixture) -> int:
    """A test set's worth of points where times are taken, few where the benchmarks are only run."""
    return POINTS if benchmark.enabled else 200


def latents(points: int, dims: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Means, stds, labels and samples of ten classes that overlap as those of a VAE's z_2 do."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(10, (points,), generator=generator)
    centres = torch.randn(10, dims, generator=generator) * (6 / dims) ** 0.5
    mean = centres[labels] + 0.8 * torch.randn(points, dims, generator=generator)
    std = 0.1 + 0.3 * torch.rand(points, dims, generator=generator)
    return mean, std, labels, mean + std * torch.randn(points, dims, generator=generator)


@pytest.mark.parametrize("dims", [20, 256])
def test_information_density(benchmark: BenchmarkFixture, points: int, dims: int) -> None:
    benchmark.pedantic(information_density, args=latents(points, dims), rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("dims", [20, 256])
def test_mixed_ksg(benchmark: BenchmarkFixture, points: int, dims: int) -> None:
    _, _, labels, samples = latents(points, dims)
    benchmark.pedantic(mixed_ksg, args=(samples, labels), rounds=3, warmup_rounds=1)


def test_mixed_ksg_point_by_point(benchmark: BenchmarkFixture, points: int) -> None:
    """What `mixed_ksg` is measured against, to the same result: labels further apart than any two samples."""
    _, _, labels, samples = latents(points, 20)
    result = benchmark.pedantic(point_by_point, args=(samples, labels, 5, 1e3), rounds=1)
    assert result == pytest.approx(mixed_ksg(samples, labels), abs=1e-9)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dims", [20, 256])
def test_probes(benchmark: BenchmarkFixture, points: int, dims: int, threads: int) -> None:
    _, _, labels, samples = latents(points, dims)
    benchmark.pedantic(
        accuracies, args=(samples.numpy(), labels.numpy()), kwargs={"threads": threads}, rounds=1, warmup_rounds=0
    )


def test_squared_error(benchmark: BenchmarkFixture) -> None:
    images = torch.rand(500, 3, 32, 32)
    benchmark(squared_error, images, images.flip(0))
