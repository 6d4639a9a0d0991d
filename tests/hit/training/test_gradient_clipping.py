import torch
from torch import nn

from hit.training.gradient_clipping import CLIP_ABOVE, GradientClip


def clipped(clip: GradientClip, parameter: nn.Parameter, norm: float) -> float:
    parameter.grad = torch.full_like(parameter, norm / parameter.numel() ** 0.5)
    clip.clip()
    return float(parameter.grad.norm())


def test_usual_gradients_are_left_as_they_are_and_an_unusual_one_is_cut_down() -> None:
    parameter = nn.Parameter(torch.zeros(16))
    clip = GradientClip([parameter])
    for norm in (2.0, 1.9, 2.1, 2.9):
        assert abs(clipped(clip, parameter, norm) / norm - 1) < 1e-5
    assert CLIP_ABOVE * 1.9 < clipped(clip, parameter, 1e5) < CLIP_ABOVE * 2.2
    assert clipped(clip, parameter, 2.0) > 1.99, "one outlier does not hold the next ones down"


def test_what_is_usual_follows_where_gradients_grow() -> None:
    parameter = nn.Parameter(torch.zeros(4))
    clip = GradientClip([parameter])
    clipped(clip, parameter, 1.0)
    for _ in range(1000):
        last = clipped(clip, parameter, 100.0)
    assert abs(last - 100) < 1e-3


def test_a_gradient_of_zero_stays_finite() -> None:
    parameter = nn.Parameter(torch.zeros(4))
    assert clipped(GradientClip([parameter]), parameter, 0.0) == 0


def test_the_state_goes_on_from_a_checkpoint() -> None:
    parameter = nn.Parameter(torch.zeros(4))
    one, other = GradientClip([parameter]), GradientClip([parameter])
    clipped(one, parameter, 2.0)
    other.restore(one.tensors())
    assert clipped(one, parameter, 50.0) == clipped(other, parameter, 50.0) < 7
