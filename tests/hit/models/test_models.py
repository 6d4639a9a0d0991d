"""One contract that every model keeps: identities of the ELBO, shapes, parameter counts."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hit.config import TrainConfig
from hit.distributions import Bernoulli, Categorical, DiagonalGaussian, FixedGaussian, LearnedGaussian, Likelihood
from hit.errors import ConfigError
from hit.models import HierarchicalVAE, build_model
from hit.models.lvae import weigh
from hit.training.checkpoints import load_weights, save_weights
from hit.training.objective import objective

GREY, COLOUR, LARGE = (1, 28, 28), (3, 32, 32), (3, 256, 256)
DEEP = {"model": "deep"}
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
        ("lvae-learned", {"model": "lvae", "likelihood": "gaussian_learned"}, COLOUR),
        ("ghvae-linear", {"linear_z1": 7}, GREY),
        ("ghvae-linear-4-layers", {"linear_z1": 1, "z_dims": "2,3,5", "likelihood": "gaussian"}, COLOUR),
        ("lvae-linear-3-layers", {"model": "lvae", "linear_z1": 6, "z_dims": "3,5", "likelihood": "mol"}, COLOUR),
        ("ghvae-mol-colour", {"likelihood": "mol"}, COLOUR),
        ("ghvae-mol-grey", {"likelihood": "mol"}, GREY),
        ("lvae-mol-grey", {"model": "lvae", "likelihood": "mol"}, (1, 32, 32)),
        ("lvae-conv-mol-grey", {"model": "lvae", "latent": "conv", "likelihood": "mol"}, GREY),
        ("ghvae-bernoulli-grey", {"likelihood": "bernoulli_grey"}, GREY),
        ("lvae-mol", {"model": "lvae", "likelihood": "mol"}, COLOUR),
        ("ghvae-gumbel", {"posterior": "gumbel_softmax"}, GREY),
        ("ghvae-gumbel-4-layers", {"posterior": "gumbel_softmax", "z_dims": "4,3,5"}, GREY),
        ("lvae-gumbel", {"model": "lvae", "posterior": "gumbel_softmax", "likelihood": "mol"}, COLOUR),
        ("lvae-gumbel-3-layers", {"model": "lvae", "posterior": "gumbel_softmax", "z_dims": "4,5"}, GREY),
        ("ghvae-conv", {"latent": "conv"}, GREY),
        ("ghvae-conv-learned", {"latent": "conv", "likelihood": "gaussian_learned"}, COLOUR),
        ("ghvae-conv-mol", {"latent": "conv", "likelihood": "mol"}, COLOUR),
        ("ghvae-conv-3-layers", {"latent": "conv", "z_dims": "3,5"}, GREY),
        ("ghvae-conv-gumbel", {"latent": "conv", "z_dims": "3,4,5", "posterior": "gumbel_softmax"}, GREY),
        ("ghvae-conv-large", {"latent": "conv", "z_dims": "3,5", "channels": 2, "likelihood": "gaussian"}, LARGE),
        ("lvae-conv", {"model": "lvae", "latent": "conv"}, GREY),
        ("lvae-conv-mol", {"model": "lvae", "latent": "conv", "likelihood": "mol"}, COLOUR),
        ("lvae-conv-3-layers", {"model": "lvae", "latent": "conv", "z_dims": "3,5"}, GREY),
        ("lvae-conv-4-layers", {"model": "lvae", "latent": "conv", "z_dims": "2,3,5", "channels": 3}, (1, 32, 32)),
        ("deep", DEEP, GREY),
        ("deep-mol", DEEP | {"model.latents": "1x1x3,1x1x3,2x4x2,4x4x1", "likelihood": "mol"}, COLOUR),
        (
            "deep-learned",
            {"model": "deep", "model.latents": "4x4x2,8x8x2,8x8x1", "likelihood": "gaussian_learned"},
            COLOUR,
        ),
        ("deep-16-layers", DEEP | {"model.latents": ",".join(["1x1x2"] * 15 + ["7x7x1"])}, GREY),
        ("vae", {"model": "vae"}, GREY),
        ("vae-mol", {"model": "vae", "likelihood": "mol"}, COLOUR),
        ("vae-colour", {"model": "vae", "likelihood": "gaussian_learned"}, COLOUR),
        ("ghvae-vectors", {"likelihood": "gaussian"}, (7,)),
        ("ghvae-vectors-4-layers", {"z_dims": "2,3,5", "likelihood": "gaussian_learned", "linear_z1": 3}, (1,)),
        ("ghvae-vectors-gumbel", {"posterior": "gumbel_softmax"}, (7,)),
        ("lvae-vectors", {"model": "lvae", "likelihood": "gaussian"}, (90,)),
        ("lvae-vectors-3-layers", {"model": "lvae", "z_dims": "3,5"}, (7,)),
        ("vae-vectors", {"model": "vae", "likelihood": "gaussian"}, (7,)),
        ("vae-vectors-linear", {"model": "vae", "linear_z1": 2, "likelihood": "gaussian_learned"}, (7,)),
    ]
]


class Blind(Likelihood):
    """Sees nothing, whatever the decoder gives: rates alone are quick."""

    def log_prob(self, x: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        return x.new_zeros(len(x))

    def mean(self, output: torch.Tensor) -> torch.Tensor:
        return output

    def sample(self, output: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        return output


@pytest.mark.parametrize(("config", "shape"), CONFIGS)
class TestContract:
    @pytest.fixture
    def model(self, config: TrainConfig, shape: tuple[int, ...]) -> HierarchicalVAE:
        return build_model(config, shape).double()

    @pytest.fixture
    def x(self, model: HierarchicalVAE, shape: tuple[int, ...]) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        if len(shape) == 1:
            return torch.rand(6, *shape, generator=generator).round().double()
        images = torch.randint(0, 256, (6, *shape), dtype=torch.uint8, generator=generator)
        return model.prepare(images).double()

    def noise(self, model: HierarchicalVAE, batch: int) -> tuple[torch.Tensor, ...]:
        generator = torch.Generator().manual_seed(1)
        return tuple(noise.double() for noise in model.noise(batch, generator))

    def test_rates_are_the_closed_form_of_what_the_samples_pay(self, model: HierarchicalVAE, x: torch.Tensor) -> None:
        """E log q(z|x) − log p(z) over many draws is the sum of the layers' rates."""
        count = 50 if x.shape[-1] > 32 else 1000
        many = x[:1].expand(count, *x.shape[1:])
        model.decoder, model.likelihood = torch.nn.Identity(), Blind()
        with torch.no_grad():
            outcome = model(many, self.noise(model, count))
        paid, rates = torch.zeros(count).double(), torch.zeros(count).double()
        for z, posterior, prior, rate in zip(
            outcome.latents, outcome.posteriors, outcome.priors, outcome.rates, strict=True
        ):
            paid += posterior.log_prob(z) - prior.log_prob(z)
            rates += rate
        difference = paid - rates
        assert abs(difference.mean()) < 4 * difference.std() / math.sqrt(count)

    def test_beta_one_is_the_negative_elbo(self, model: HierarchicalVAE, x: torch.Tensor) -> None:
        outcome = model(x, self.noise(model, len(x)))
        elbo = -outcome.distortion - sum(outcome.rates)
        torch.testing.assert_close(objective(outcome, torch.ones(model.layers).double()), -elbo)

    def test_saved_and_read_back_it_is_the_same(
        self,
        model: HierarchicalVAE,
        x: torch.Tensor,
        config: TrainConfig,
        shape: tuple[int, ...],
        tmp_path: Path,
    ) -> None:
        noise = self.noise(model, len(x))
        save_weights(tmp_path / "weights", model, "identity")
        other = build_model(replace(config, seed=9), shape).double()
        assert not torch.equal(other(x, noise).distortion, model(x, noise).distortion)
        load_weights(tmp_path / "weights", other, "identity")
        before, after = model(x, noise), other(x, noise)
        assert torch.equal(before.distortion, after.distortion)
        assert torch.equal(torch.stack(before.rates), torch.stack(after.rates))

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
        self, model: HierarchicalVAE, x: torch.Tensor, config: TrainConfig, shape: tuple[int, ...]
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
        (TrainConfig(linear_z1=64), GREY, 133_977),
        (TrainConfig(posterior="gumbel_softmax"), GREY, 117_573),
        (replace(PAPER, likelihood="mol"), COLOUR, 655_236),
        (replace(PAPER, likelihood="mol", model="lvae"), COLOUR, 457_892),
        (replace(PAPER, latent="conv"), COLOUR, 604_307),
        (replace(PAPER, latent="conv", likelihood="mol"), COLOUR, 819_732),
        (replace(PAPER, latent="conv"), LARGE, 937_459),
        (replace(PAPER, latent="conv", model="lvae"), COLOUR, 566_995),
    ],
)
def test_parameter_counts_are_the_papers(config: TrainConfig, shape: tuple[int, ...], count: int) -> None:
    assert sum(parameter.numel() for parameter in build_model(config, shape).parameters()) == count


def test_building_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    build_model(TrainConfig(channels=4), GREY)
    assert torch.equal(before, torch.get_rng_state())


def test_a_likelihood_that_does_not_fit_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"likelihood must be .* got 'bernoulli' .*3 channels"):
        build_model(TrainConfig(), COLOUR)
    for height, width in ((7, 30), (30, 7), (8, 257), (300, 300)):
        with pytest.raises(ConfigError, match=f"images of 8×8 to 256×256 pixels, got {height}×{width}"):
            build_model(TrainConfig(), (1, height, width))


@pytest.mark.parametrize("model", ["ghvae", "lvae"])
def test_a_convolutional_z2_sees_small_images_padded_and_crops_what_it_decodes(model: str) -> None:
    """With the same weights, a 28-pixel image is the 32-pixel one with an empty border."""
    config = TrainConfig(model=model, latent="conv", channels=4, z_dims=(3, 5), likelihood="gaussian")  # type: ignore[arg-type]
    small, large = build_model(config, (1, 28, 28)), build_model(config, (1, 32, 32))
    weights = zip(large.parameters(), small.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in weights)
    x = torch.rand(3, 1, 28, 28)
    outcome, expected = small(x, sample=False), large(torch.nn.functional.pad(x, (2, 2, 2, 2)), sample=False)
    torch.testing.assert_close(outcome.rates, expected.rates)
    torch.testing.assert_close(outcome.output, expected.output[..., 2:-2, 2:-2])
    assert [z.shape[1:] for z in outcome.latents] == [(4, 8, 8), (4, 4, 4), (3,)]
    torch.testing.assert_close(outcome.distortion, -small.likelihood.log_prob(x, outcome.output))


class TestCategoricalTop:
    config = TrainConfig(posterior="gumbel_softmax", channels=4, z_dims=(6,))

    def test_it_is_one_hot_unless_it_is_trained(self) -> None:
        model = build_model(self.config, GREY)
        x = model.prepare(torch.randint(0, 256, (50, *GREY), dtype=torch.uint8))
        noise = model.noise(50)
        hard, soft = model(x, noise), model(x, noise, temperature=0.4)
        assert isinstance(hard.posteriors[1], Categorical)
        z = hard.latents[1]
        assert torch.equal(z.sum(1), torch.ones(50))
        assert torch.equal(z.max(1).values, torch.ones(50))
        assert torch.equal(soft.latents[1].argmax(1), z.argmax(1)), "the same draw, relaxed"
        torch.testing.assert_close(soft.rates[1], hard.rates[1])
        assert not torch.equal(soft.latents[1], z)

    def test_the_distortion_reaches_the_logits_when_relaxed(self) -> None:
        model = build_model(self.config, GREY)
        x = model.prepare(torch.randint(0, 256, (8, *GREY), dtype=torch.uint8))
        head = model.inference.levels[1].heads.layer.weight  # type: ignore[union-attr]
        for temperature, reached in ((0.5, True), (None, False)):
            outcome = model(x, model.noise(8), temperature=temperature)
            (gradient,) = torch.autograd.grad(outcome.distortion.sum(), head, allow_unused=True)
            assert (gradient is not None and bool(gradient.abs().sum() > 0)) == reached

    def test_the_prior_draws_every_category_alike(self) -> None:
        model = build_model(self.config, GREY)
        noise = model.noise(6000, torch.Generator().manual_seed(0))[1]
        drawn = Categorical.standard(noise).sample(noise).mean(0)
        assert (drawn - 1 / 6).abs().max() < 4 * math.sqrt(1 / 6 * 5 / 6 / 6000)


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
        assert (q.kl(DiagonalGaussian.standard(q.mean)) > 0).all()

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
        assert Bernoulli(rounds=False).prepare(images).flatten().tolist() == pytest.approx([0, 127 / 255, 128 / 255, 1])
        assert FixedGaussian(1.0).prepare(images).flatten().tolist() == pytest.approx([0, 127 / 255, 128 / 255, 1])

    def test_grey_levels_that_are_not_rounded_are_those_of_binary_images_drawn_with_them(self) -> None:
        likelihood = Bernoulli(rounds=False)
        generator = torch.Generator().manual_seed(0)
        x = torch.rand(1, 1, 4, 4, generator=generator)
        output = torch.randn(1, 1, 4, 4, generator=generator)
        cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits(output, x, reduction="sum")
        torch.testing.assert_close(likelihood.log_prob(x, output)[0], -cross_entropy)
        drawn = torch.bernoulli(x.expand(20_000, -1, -1, -1), generator=generator)
        logs = likelihood.log_prob(drawn, output)
        assert (logs.mean() + cross_entropy).abs() < 4 * logs.std() / math.sqrt(len(logs))
        assert not likelihood.discrete, "its levels do not add up to one"

    def test_ladder_weighs_by_precision(self) -> None:
        """The product of N(m̂, v̂) and N(m_p, v_p), normalised; with much less variance, either wins."""
        prior = DiagonalGaussian(torch.tensor([[1.0]]), torch.tensor([[2.0]]))
        product = weigh(torch.tensor([[3.0]]), torch.tensor([[4.0]]), prior)
        assert product.mean.item() == pytest.approx(2.0)
        assert product.std.item() == pytest.approx(math.sqrt(2))
        assert weigh(torch.tensor([[3.0]]), torch.tensor([[1e-8]]), prior).mean.item() == pytest.approx(3.0)
        assert weigh(torch.tensor([[3.0]]), torch.tensor([[1e8]]), prior).mean.item() == pytest.approx(1.0)
