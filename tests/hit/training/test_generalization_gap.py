"""What held-out images tell of rates: gaps that a model makes, not those that chance makes between two samples."""

import pytest
import torch
from torch import Tensor

from hit.training.generalization_gap import likely_log_gap


def rates(count: int, mean: float, seed: int) -> Tensor:
    """As rates of images are: spread by a third of their mean."""
    noise = torch.randn(count, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return mean * (1 + noise / 3)


def test_a_gap_of_many_standard_errors_is_taken_as_it_is() -> None:
    gap = likely_log_gap(rates(1000, 12.0, 0), rates(5000, 10.0, 1))
    assert gap.item() == pytest.approx(torch.tensor(1.2).log().item(), abs=0.03)


def test_of_a_gap_below_zero_chance_is_taken_off() -> None:
    plain, likely = [], []
    for seed in range(200):
        unseen, seen = rates(1000, 10.0, 2 * seed), rates(5000, 10.0, 2 * seed + 1)
        plain.append((unseen.mean() / seen.mean()).log())
        likely.append(likely_log_gap(unseen, seen))
    below = torch.stack(plain) < 0
    before, after = (torch.stack(some).flatten()[below].square().mean() for some in (plain, likely))
    assert after < before / 2


def test_of_many_layers_chance_is_taken_off_above_zero_too() -> None:
    apart = rates(1000, 10.2, 0), rates(5000, 10.0, 1)
    plain, likely = (likely_log_gap(*apart, shrunk=shrunk).item() for shrunk in (False, True))
    assert plain > 0
    assert 0 <= likely < plain
    assert likely_log_gap(rates(1000, 12.0, 0), rates(5000, 10.0, 1), shrunk=True).item() > 0.15


def test_the_sign_of_a_gap_stays() -> None:
    assert likely_log_gap(rates(1000, 9.0, 0), rates(5000, 10.0, 1)).item() < -0.05


def test_a_layer_without_rate_has_no_gap() -> None:
    assert likely_log_gap(torch.zeros(10, 2), torch.ones(10, 2)).tolist() == [0.0, 0.0]
    assert likely_log_gap(torch.zeros(10, 2), torch.zeros(10, 2)).tolist() == [0.0, 0.0]
