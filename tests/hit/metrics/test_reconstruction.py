"""PSNR and bits per dimension."""

import math

import pytest
import torch

from hit.metrics import SquaredError, bits_per_dim, squared_error


def test_psnr_of_a_known_error() -> None:
    images = torch.full((4, 1, 8, 8), 0.5)
    assert squared_error(images, images + 0.1).psnr == pytest.approx(20.0, abs=1e-4)
    assert squared_error(images, images - 0.01).psnr == pytest.approx(40.0, abs=1e-4)


def test_psnr_is_over_the_set_not_the_mean_over_images() -> None:
    images = torch.zeros(2, 1, 4, 4, dtype=torch.float64)
    reconstruction = torch.stack([torch.full((1, 4, 4), 0.1), torch.full((1, 4, 4), 0.3)])
    assert squared_error(images, reconstruction).psnr == pytest.approx(
        -10 * math.log10((0.1**2 + 0.3**2) / 2), abs=1e-5
    )


def test_batches_add_up_to_the_set() -> None:
    generator = torch.Generator().manual_seed(0)
    images, reconstruction = torch.rand(2, 37, 3, 8, 8, generator=generator).unbind()
    parts = [squared_error(x, r) for x, r in zip(images.split(10), reconstruction.split(10), strict=True)]
    total = sum(parts, start=SquaredError())
    assert total.count == images.numel()
    whole = squared_error(images, reconstruction)
    assert total.psnr == pytest.approx(whole.psnr, abs=1e-12)
    assert total.psnr_error == pytest.approx(whole.psnr_error, rel=1e-9)


def test_the_error_of_a_psnr_is_its_spread_over_sets_of_images() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = []
    for _ in range(300):
        scale = 0.05 + 0.1 * torch.rand(50, 1, 1, 1, generator=generator)
        drawn.append(squared_error(torch.zeros(50, 1, 4, 4), scale * torch.randn(50, 1, 4, 4, generator=generator)))
    spread = torch.tensor([one.psnr for one in drawn]).std()
    assert float(torch.tensor([one.psnr_error for one in drawn]).mean()) == pytest.approx(float(spread), rel=0.15)


def test_one_image_has_no_error() -> None:
    assert squared_error(torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)).psnr_error is None
    alike = squared_error(torch.zeros(3, 1, 4, 4), torch.full((3, 1, 4, 4), 0.3))
    assert alike.psnr_error == pytest.approx(0.0, abs=1e-6)


def test_many_small_errors_are_not_lost() -> None:
    # A float32 sum of 2^24 such terms would be off in the third digit.
    images = torch.zeros(2**22)
    error = squared_error(images, images + 1e-3)
    assert error.total == pytest.approx(2**22 * float(torch.tensor(1e-3)) ** 2, rel=1e-12)


def test_what_has_no_psnr_is_absent() -> None:
    images = torch.rand(3, 1, 4, 4)
    assert squared_error(images, images).psnr is None
    assert SquaredError().psnr is None
    assert SquaredError().mean is None
    assert squared_error(images, images * math.nan).psnr is None
    assert squared_error(images, images + math.inf).psnr is None


def test_shapes_that_would_broadcast_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(4, 1, 8, 8\).*\(4, 3, 8, 8\)"):
        squared_error(torch.zeros(4, 1, 8, 8), torch.zeros(4, 3, 8, 8))


def test_bytes_are_refused() -> None:
    images = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    with pytest.raises(ValueError, match="uint8"):
        squared_error(images, images)


def test_bits_per_dim() -> None:
    assert bits_per_dim(784 * math.log(2), 784) == pytest.approx(1.0)
    assert bits_per_dim(100.0, 784) == pytest.approx(0.184017, abs=1e-6)
    assert bits_per_dim(-50.0, 10) < 0  # a density may be above 1
    with pytest.raises(ValueError, match="dims must be positive, got 0"):
        bits_per_dim(1.0, 0)
