"""One contract that every model keeps: identities of the ELBO, shapes, parameter counts."""

import math
from dataclasses import replace

import pytest
import torch

from hit.config import TrainConfig
from hit.distributions import Bernoulli, DiagonalGaussian, FixedGaussian, LearnedGaussian, standard_normal
from hit.errors import ConfigError
from hit.models import HierarchicalVAE, build_model
from hit.models.lvae import weigh
from hit.objective import objective

GREY, COLOUR = (1, 28, 28), (3, 32, 32)
PAPER = TrainConfig(channels=32, z_dims=(32,), likelihood="gaussian")

CONFIGS = [
    pytest.param(TrainConfig.from_flat({"channels": 4, "z_dims": 5} | flat), shape, id=name)
    for name, flat, shape in [
        ("ghvae", {}, GREY),
        ("ghvae-colour", {"likelihood": "gaussian"}, COLOUR),
        ("ghvae-learned", {"likelihood": "gaussian_learned"}, (1, 32, 32)),
        ("ghvae-3-layers", {"z_dims": "3,5"}, GREY),
        ("ghvae-4-layers", {"z_dims": "2,3,5", "likelihood": "gaussian"}, COLOUR),
        ("lvae", {"model": "lvae"}, GREY),
        ("lvae-colour", {"model": "lvae", "likelihood": "gaussian"}, COLOUR),
        ("lvae-4-layers", {"model": "lvae", "z_dims": "2,3,5"}, GREY),
        ("vae", {"model": "vae"}, GREY),
        ("vae-colour", {"model": "vae", "likelihood": "gaussian_learned"}, COLOUR),
    ]
]


@pytest.mark.parametrize(("config", "shape"), CONFIGS)
class TestContract:
    @pytest.fixture
    def model(self, config: TrainConfig, shape: tuple[int, int, int]) -> HierarchicalVAE:
        return build_model(config, shape).double()

    @pytest.fixture
    def x(self, model: HierarchicalVAE, shape: tuple[int, int, int]) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (6, *shape), dtype=torch.uint8, generator=generator)
        return model.prepare(images).double()

    def noise(self, model: HierarchicalVAE, batch: int) -> tuple[torch.Tensor, ...]:
        generator = torch.Generator().manual_seed(1)
        return tuple(noise.double() for noise in model.noise(batch, generator))

    def test_rates_are_the_closed_form_of_what_the_samples_pay(self, model: HierarchicalVAE, x: torch.Tensor) -> None:
        """E log q(z|x) − log p(z) over many draws is the sum of the layers' rates."""
        one = x[:1]
        many = one.expand(4000, *one.shape[1:])
        with torch.no_grad():
            outcome = model(many, self.noise(model, 4000))
        paid, rates = torch.zeros(4000).double(), torch.zeros(4000).double()
        for z, posterior, prior, rate in zip(
            outcome.latents, outcome.posteriors, outcome.priors, outcome.rates, strict=True
        ):
            paid += posterior.log_prob(z) - prior.log_prob(z)
            rates += rate
        difference = paid - rates
        assert abs(difference.mean()) < 4 * difference.std() / math.sqrt(4000)

    def test_beta_one_is_the_negative_elbo(self, model: HierarchicalVAE, x: torch.Tensor) -> None:
        outcome = model(x, self.noise(model, len(x)))
        elbo = -outcome.distortion - sum(outcome.rates)
        torch.testing.assert_close(objective(outcome, torch.ones(model.layers).double()), -elbo)

    def test_betas_may_differ_by_example(self, model: HierarchicalVAE, x: torch.Tensor) -> None:
        outcome = model(x, self.noise(model, len(x)))
        betas = torch.rand(len(x), model.layers).double()
        rows = objective(outcome, betas)
        for row, beta in enumerate(betas):
            torch.testing.assert_close(rows[row], objective(outcome, beta)[row])

    def test_every_weight_is_used(self, model: HierarchicalVAE, x: torch.Tensor) -> None:
        objective(model(x), torch.ones(model.layers)).sum().backward()
        assert [name for name, weight in model.named_parameters() if weight.grad is None] == []

    def test_without_sampling_noise_is_ignored(self, model: HierarchicalVAE, x: torch.Tensor) -> None:
        outcome, again = model(x, sample=False), model(x, self.noise(model, len(x)), sample=False)
        for z, posterior, other in zip(outcome.latents, outcome.posteriors, again.latents, strict=True):
            assert torch.equal(z, posterior.mean)
            assert torch.equal(z, other)

    def test_examples_do_not_see_each_other(self, model: HierarchicalVAE, x: torch.Tensor) -> None:
        whole, part = model(x, sample=False), model(x[2:3], sample=False)
        torch.testing.assert_close(whole.distortion[2:3], part.distortion)
        torch.testing.assert_close(whole.rates[0][2:3], part.rates[0])

    def test_images_come_back_in_their_shape(
        self, model: HierarchicalVAE, x: torch.Tensor, config: TrainConfig, shape: tuple[int, int, int]
    ) -> None:
        assert model.reconstruct(model(x)).shape == x.shape
        assert model.generate(self.noise(model, 3)).shape == (3, *shape)
        assert model.layers == config.layers == len(config.betas)


@pytest.mark.parametrize(
    ("config", "shape", "count"),
    [
        (TrainConfig(), GREY, 122_713),
        (PAPER, COLOUR, 475_811),
        (replace(PAPER, likelihood="gaussian_learned"), COLOUR, 475_812),
        (TrainConfig(model="lvae"), GREY, 104_745),
        (replace(PAPER, model="lvae"), COLOUR, 408_131),
    ],
)
def test_parameter_counts_are_the_papers(config: TrainConfig, shape: tuple[int, int, int], count: int) -> None:
    assert sum(parameter.numel() for parameter in build_model(config, shape).parameters()) == count


def test_building_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    build_model(TrainConfig(channels=4), GREY)
    assert torch.equal(before, torch.get_rng_state())


def test_a_likelihood_that_does_not_fit_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"likelihood must be .* got 'bernoulli' .*3 channels"):
        build_model(TrainConfig(), COLOUR)
    with pytest.raises(ConfigError, match="28×28 or 32×32 pixels, got 30×30"):
        build_model(TrainConfig(), (1, 30, 30))


class TestDistributions:
    def test_kl_is_its_monte_carlo(self) -> None:
        generator = torch.Generator().manual_seed(0)
        mean, std = (torch.rand(2, 3, generator=generator).double() for _ in range(2))
        q, p = DiagonalGaussian(mean, std + 0.5), DiagonalGaussian(std, mean + 0.7)
        draws = torch.randn(200_000, 2, 3, generator=generator).double()
        z = q.mean + q.std * draws
        per_draw = torch.stack(
            [
                torch.distributions.Normal(d.mean, d.std).log_prob(z).sum(-1)  # an independent density
                for d in (q, p)
            ]
        )
        difference = per_draw[0] - per_draw[1]
        error = difference.std(0) / math.sqrt(len(draws))
        assert ((q.kl(p) - difference.mean(0)).abs() < 5 * error).all()

    def test_kl_of_equals_is_zero(self) -> None:
        q = DiagonalGaussian(torch.randn(4, 7), torch.rand(4, 7) + 0.1)
        torch.testing.assert_close(q.kl(q), torch.zeros(4))
        assert (q.kl(standard_normal(q)) > 0).all()

    def test_likelihoods_are_torchs(self) -> None:
        generator = torch.Generator().manual_seed(0)
        output = torch.randn(5, 1, 28, 28, generator=generator)
        x = torch.rand(5, 1, 28, 28, generator=generator)
        binary = x.round()
        normal = torch.distributions.Normal(output, 0.71)
        bernoulli = torch.distributions.Bernoulli(logits=output)
        torch.testing.assert_close(Bernoulli().log_prob(binary, output), bernoulli.log_prob(binary).sum((1, 2, 3)))
        torch.testing.assert_close(FixedGaussian(0.71).log_prob(x, output), normal.log_prob(x).sum((1, 2, 3)))
        learned = LearnedGaussian()
        sigma = learned.limited_log_sigma().exp()
        expected = torch.distributions.Normal(output, sigma).log_prob(x).sum((1, 2, 3))
        torch.testing.assert_close(learned.log_prob(x, output), expected)
        assert learned.limited_log_sigma().item() == pytest.approx(-6 + math.log1p(math.exp(6)), abs=1e-6)

    def test_binary_images_are_rounded(self) -> None:
        images = torch.tensor([0, 127, 128, 255], dtype=torch.uint8).view(1, 1, 2, 2)
        assert Bernoulli().prepare(images).flatten().tolist() == [0, 0, 1, 1]
        assert FixedGaussian(1.0).prepare(images).flatten().tolist() == pytest.approx([0, 127 / 255, 128 / 255, 1])

    def test_ladder_weighs_by_precision(self) -> None:
        """The product of N(m̂, v̂) and N(m_p, v_p), normalised; with much less variance, either wins."""
        prior = DiagonalGaussian(torch.tensor([[1.0]]), torch.tensor([[2.0]]))
        product = weigh(torch.tensor([[3.0]]), torch.tensor([[4.0]]), prior)
        assert product.mean.item() == pytest.approx(2.0)
        assert product.std.item() == pytest.approx(math.sqrt(2))
        assert weigh(torch.tensor([[3.0]]), torch.tensor([[1e-8]]), prior).mean.item() == pytest.approx(3.0)
        assert weigh(torch.tensor([[3.0]]), torch.tensor([[1e8]]), prior).mean.item() == pytest.approx(1.0)
