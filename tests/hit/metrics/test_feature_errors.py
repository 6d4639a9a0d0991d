"""Errors by feature: sums that add up over batches, and R² as scikit-learn has it."""

import functools
import operator

import numpy as np
import pytest
import torch
from sklearn.metrics import r2_score

from hit.metrics.feature_errors import feature_errors
from hit.metrics.reconstruction import SquaredError, squared_error


def draws() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(50, 4, generator=generator) * torch.tensor([1.0, 2.0, 0.1, 5.0])
    return x, x + 0.3 * torch.randn(50, 4, generator=generator)


def test_batches_add_up_to_scikit_learns_r2() -> None:
    x, reconstruction = draws()
    parts = [feature_errors(*pair) for pair in zip(x.split(7), reconstruction.split(7), strict=True)]
    found = functools.reduce(operator.add, parts)
    expected = r2_score(x.numpy(), reconstruction.numpy(), multioutput="raw_values")
    np.testing.assert_allclose(found.r2, expected, rtol=1e-4)
    total = r2_score(x.numpy(), reconstruction.numpy(), multioutput="variance_weighted")
    assert found.total_r2 == pytest.approx(total, rel=1e-4)
    np.testing.assert_allclose(found.mse, (x - reconstruction).square().mean(0).numpy(), rtol=1e-4)


def test_a_feature_that_does_not_vary_has_none() -> None:
    x = torch.full((3, 1), 0.1)
    found = feature_errors(x, x + 1)
    assert np.isnan(found.r2).all()
    assert found.total_r2 is None


def test_the_error_of_the_mean_is_that_of_the_examples() -> None:
    x, reconstruction = draws()
    parts = [squared_error(*pair) for pair in zip(x.split(7), reconstruction.split(7), strict=True)]
    found = sum(parts, start=SquaredError())
    of_examples = (x - reconstruction).square().mean(1).double()
    assert found.mean == pytest.approx(float(of_examples.mean()), rel=1e-5)
    assert found.mean_error == pytest.approx(float(of_examples.std()) / 50**0.5, rel=1e-5)
    assert squared_error(x[:1], reconstruction[:1]).mean_error is None
