"""Softplus by 64-bit numbers gives what torch's own gives, value and gradient, also stacked."""

import pytest
import torch
import torch.nn.functional as F

from hit.distributions.softplus import softplus


@pytest.fixture(params=[True, False], ids=["in double", "torch's own"])
def slow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr("hit.distributions.softplus._log1p_is_slow", lambda: request.param)
    return bool(request.param)


def test_value_and_gradient(slow: bool) -> None:
    x = torch.cat([torch.linspace(-80, 80, 2001), torch.linspace(-1, 1, 501)]).requires_grad_()
    expected = torch.autograd.grad(F.softplus(x).square().sum(), x)[0]
    found = softplus(x)
    torch.testing.assert_close(found, F.softplus(x), rtol=3e-7, atol=0)
    torch.testing.assert_close(torch.autograd.grad(found.square().sum(), x)[0], expected, rtol=1e-6, atol=0)
    assert (found > 0).all()


def test_stacked(slow: bool) -> None:
    x = torch.linspace(-4, 4, 12).view(3, 4)
    gradient = torch.func.vmap(torch.func.grad(lambda row: softplus(row).sum()))(x)
    torch.testing.assert_close(gradient, x.sigmoid())


def test_other_precisions_are_torchs(slow: bool) -> None:
    for dtype in (torch.float64, torch.bfloat16):
        x = torch.linspace(-4, 4, 9, dtype=dtype)
        assert torch.equal(softplus(x), F.softplus(x))
