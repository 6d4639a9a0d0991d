"""A state that the model hands down: every layer, and the decoder, see all that was drawn above them."""

import torch
from torch import Tensor, nn

from hit.distributions import Bernoulli, DiagonalGaussian, LatentDistribution
from hit.models.hierarchy import HierarchicalVAE, Inference, TopDownState

_PIXELS = 16


class _Sum(TopDownState):
    """Numbers that every z adds to."""

    def __init__(self) -> None:
        super().__init__()
        self.add = nn.ModuleList(nn.Linear(dim, 8) for dim in (4, 3, 2))

    def forward(self, layer: int, above: Tensor | None, z: Tensor) -> Tensor:
        added: Tensor = self.add[layer - 1](z)
        return added if above is None else above + added


class _Gaussian(nn.Module):
    def __init__(self, inputs: int, dim: int) -> None:
        super().__init__()
        self.mean, self.std = nn.Linear(inputs, dim), nn.Linear(inputs, dim)

    def forward(self, h: Tensor) -> DiagonalGaussian:
        return DiagonalGaussian(self.mean(h), nn.functional.softplus(self.std(h)))


class _Posteriors(Inference):
    def __init__(self) -> None:
        super().__init__()
        self.levels = nn.ModuleList([_Gaussian(_PIXELS + 8, 4), _Gaussian(_PIXELS + 8, 3), _Gaussian(_PIXELS, 2)])

    def evidence(self, x: Tensor) -> tuple[Tensor, ...]:
        return (x.flatten(1),) * 3

    def posterior(
        self, layer: int, evidence: Tensor | LatentDistribution, above: Tensor | None, prior: LatentDistribution | None
    ) -> LatentDistribution:
        assert isinstance(evidence, Tensor)
        seen = evidence if above is None else torch.cat([evidence, above], 1)
        return self.levels[layer - 1](seen)  # type: ignore[no-any-return]


def _model() -> HierarchicalVAE:
    torch.manual_seed(0)
    decoder = nn.Sequential(nn.Linear(8, _PIXELS), nn.Unflatten(1, (1, 4, 4)))
    priors = [_Gaussian(8, 4), _Gaussian(8, 3)]
    return HierarchicalVAE(_Posteriors(), priors, decoder, Bernoulli(), [(4,), (3,), (2,)], state=_Sum()).double()


def _below(model: HierarchicalVAE, *latents: Tensor) -> Tensor:
    """The state below the last of z_3, z_2, z_1, as far as they are given."""
    assert isinstance(model.state, _Sum)
    return sum((add(z) for add, z in zip(reversed(model.state.add), latents, strict=False)), torch.zeros(()))


def test_priors_and_decoder_see_all_above() -> None:
    model = _model()
    outcome = model(torch.rand(5, 1, 4, 4).double(), [noise.double() for noise in model.noise(5)])
    z1, z2, z3 = outcome.latents
    torch.testing.assert_close(outcome.priors[1].mean, model.priors[1](_below(model, z3)).mean)
    torch.testing.assert_close(outcome.priors[0].mean, model.priors[0](_below(model, z3, z2)).mean)
    torch.testing.assert_close(outcome.output, model.decoder(_below(model, z3, z2, z1)))


def test_samples_of_the_prior_are_decoded_from_the_state() -> None:
    model = _model()
    noise = [noise.double() for noise in model.noise(3)]
    z3 = noise[2]
    z2 = model.priors[1](_below(model, z3)).sample(noise[1])
    z1 = model.priors[0](_below(model, z3, z2)).sample(noise[0])
    torch.testing.assert_close(model.generate(noise), model.decoder(_below(model, z3, z2, z1)).sigmoid())


def test_many_latents_may_lie_below_one() -> None:
    model = _model().float()
    many = torch.randn(7, 3)
    images = model.descend(lambda layer, prior: many if layer == 2 else prior.mean)
    for z, image in zip(many, images, strict=True):
        one = model.descend(lambda layer, prior, z=z: z[None] if layer == 2 else prior.mean)  # type: ignore[misc]
        torch.testing.assert_close(image, one[0])
