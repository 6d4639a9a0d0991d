"""What every training shares."""

import torch

from hit.training.loop import Adam


def test_takes_the_steps_of_torchs_own() -> None:
    parameters = [torch.nn.Parameter(torch.linspace(-1, 1, 5)) for _ in range(2)]
    optimisers = [Adam(parameters[:1], lr=0.1, fused=True), torch.optim.Adam(parameters[1:], lr=0.1, fused=True)]
    for seed in range(3):
        for parameter, optimiser in zip(parameters, optimisers, strict=True):
            parameter.grad = torch.randn(5, generator=torch.Generator().manual_seed(seed))
            optimiser.step()
    assert torch.equal(*parameters)
    assert all(map(torch.equal, *(optimiser.state[p].values() for optimiser, p in zip(optimisers, parameters))))  # noqa: B905
