"""Categorical latents and the mixture of logistics: probabilities that add up, and closed forms that are right."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Categorical as TorchCategorical
from torch.distributions import kl_divergence

from hit.distributions import Categorical, DiagonalGaussian, MixtureOfLogistics

LEVELS = torch.arange(256).double() / 255
SEEDS = st.integers(0, 2**31 - 1)


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class TestLatents:
    @settings(max_examples=20, deadline=None)
    @given(seed=SEEDS, spread=st.floats(0.1, 3), narrow=st.floats(0.2, 2))
    def test_gaussian_kl_is_its_monte_carlo(self, seed: int, spread: float, narrow: float) -> None:
        means, stds = spread * drawn(seed, 2, 1, 4), narrow * drawn(seed + 1, 2, 1, 4).exp().clamp(0.3, 3)
        q, p = DiagonalGaussian(means[0], stds[0]), DiagonalGaussian(means[1], stds[1])
        wide = DiagonalGaussian(means[0].expand(20_000, 4), stds[0].expand(20_000, 4))
        z = wide.sample(drawn(seed + 2, 20_000, 4))
        difference = wide.log_prob(z) - p.log_prob(z)
        assert abs(difference.mean() - q.kl(p)) < 6 * difference.std() / math.sqrt(len(z))

    @settings(max_examples=20, deadline=None)
    @given(seed=SEEDS, spread=st.floats(0, 5), categories=st.integers(1, 12))
    def test_categorical_kl_is_torchs_and_its_monte_carlo(self, seed: int, spread: float, categories: int) -> None:
        logits = spread * drawn(seed, 2, categories)
        q, p = Categorical(logits[:1]), Categorical(logits[1:])
        expected = kl_divergence(TorchCategorical(logits=logits[:1]), TorchCategorical(logits=logits[1:]))
        torch.testing.assert_close(q.kl(p), expected, rtol=1e-8, atol=1e-10)
        uniform = Categorical.standard(logits[:1])
        entropy = TorchCategorical(logits=logits[:1]).entropy()
        torch.testing.assert_close(q.kl(uniform), math.log(categories) - entropy, rtol=1e-8, atol=1e-10)
        many = Categorical(logits[:1].expand(20_000, -1))
        generator = torch.Generator().manual_seed(seed)
        z = many.sample(Categorical.noise((20_000, categories), generator, torch.device("cpu")).double())
        difference = many.log_prob(z) - p.log_prob(z)
        assert abs(difference.mean() - q.kl(p)) < 6 * difference.std() / math.sqrt(len(z)) + 2e-3

    def test_extreme_logits_stay_finite(self) -> None:
        logits = torch.tensor([[1e4, -1e4, 0.0], [0.0, 0.0, -1e30]], requires_grad=True)
        q = Categorical(logits, 0.4)
        total = q.kl(Categorical.standard(logits)).sum() + q.sample(torch.zeros_like(logits)).square().sum()
        total.backward()
        assert q.kl(Categorical.standard(logits)).tolist() == pytest.approx([math.log(3), math.log(1.5)])
        assert logits.grad is not None
        assert torch.isfinite(logits.grad).all()

    def test_without_noise_it_is_the_likeliest(self) -> None:
        logits = torch.tensor([[0.1, 0.3, 0.2]])
        assert Categorical(logits).mean.tolist() == [[0, 1, 0]]
        torch.testing.assert_close(Categorical(logits).relaxed(0.5).mean, (logits / 0.5).softmax(1))


def first_alone(parameters: Tensor) -> Tensor:
    """An output whose other two channels are at the highest level for certain, from 30 numbers a pixel."""
    output = torch.zeros(len(parameters), 100, *parameters.shape[2:], dtype=parameters.dtype)
    output[:, :30] = parameters
    for after in (1, 2):
        output[:, 10 + 30 * after : 20 + 30 * after] = 1e9
    return output


def levels_of_the_first() -> Tensor:
    """The 256 images of one pixel whose other two channels are at the highest level."""
    x = torch.ones(256, 3, 1, 1, dtype=torch.float64)
    x[:, 0, 0, 0] = LEVELS
    return x


class TestGreyMixtureOfLogistics:
    """One channel, 256 levels: K logits, K means, K log s."""

    LEVELS_OF_A_PIXEL = LEVELS.view(256, 1, 1, 1)

    @settings(max_examples=40, deadline=None)
    @given(seed=SEEDS, spread=st.floats(0.1, 30))
    def test_its_256_levels_sum_to_one(self, seed: int, spread: float) -> None:
        output = (spread * drawn(seed, 1, 30, 1, 1)).expand(256, -1, -1, -1)
        probabilities = MixtureOfLogistics(1).log_prob(self.LEVELS_OF_A_PIXEL, output).exp()
        assert probabilities.sum().item() == pytest.approx(1, abs=1e-9)

    def test_a_level_has_its_share_of_the_logistics(self) -> None:
        """Against the definition, by differences of the distribution function."""
        output = drawn(1, 1, 30, 1, 1)
        weights, means, scales = output[:, :10].softmax(1), output[:, 10:20], output[:, 20:].exp()
        edges = (2 * torch.arange(257).double() - 256) / 255
        edges[0], edges[-1] = -math.inf, math.inf
        below = ((edges.view(-1, 1, 1, 1) - means) / scales).sigmoid()
        expected = ((below[1:] - below[:-1]) * weights).sum(1).flatten()
        found = MixtureOfLogistics(1).log_prob(self.LEVELS_OF_A_PIXEL, output.expand(256, -1, -1, -1)).exp()
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=0)

    def test_it_is_the_first_channel_of_colour(self) -> None:
        output = drawn(2, 5, 30, 1, 1).repeat_interleave(256, 0)
        x = levels_of_the_first().repeat(5, 1, 1, 1)
        colour = MixtureOfLogistics().log_prob(x, first_alone(output))
        torch.testing.assert_close(MixtureOfLogistics(1).log_prob(x[:, :1], output), colour)

    @settings(max_examples=25, deadline=None)
    @given(seed=SEEDS, spread=st.floats(0.1, 6))
    def test_its_mean_is_that_of_the_levels(self, seed: int, spread: float) -> None:
        likelihood, output = MixtureOfLogistics(1), spread * drawn(seed, 1, 30, 1, 1)
        logs = likelihood.log_prob(self.LEVELS_OF_A_PIXEL, output.expand(256, -1, -1, -1))
        assert likelihood.mean(output).item() == pytest.approx((logs.exp() * LEVELS).sum().item(), abs=0.5 / 255)

    def test_samples_are_draws_of_the_likelihood(self) -> None:
        likelihood, count = MixtureOfLogistics(1), 20_000
        output = drawn(3, 1, 30, 1, 1)
        x = likelihood.sample(output.expand(count, -1, 1, 1), torch.Generator().manual_seed(0))
        expected = likelihood.log_prob(self.LEVELS_OF_A_PIXEL, output.expand(256, -1, 1, 1)).exp()
        found = torch.bincount((x.flatten() * 255).round().long(), minlength=256) / count
        assert (found.cumsum(0) - expected.cumsum(0)).abs().max() < 2 / math.sqrt(count)

    def test_grey_levels_are_not_rounded(self) -> None:
        images = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
        likelihood = MixtureOfLogistics(1)
        x = likelihood.prepare(images)
        assert torch.equal((x * 255).round().to(torch.uint8), images)
        narrow = torch.zeros(256, 30, 1, 1)
        narrow[:, 10:20] = (2 * x.view(256, 1, 1, 1) - 1).expand(-1, 10, 1, 1)
        narrow[:, 20:] = -7
        itself = likelihood.log_prob(x.view(256, 1, 1, 1), narrow)
        assert (itself.exp() > 0.9).all(), "every level is told from its neighbours"

    @pytest.mark.parametrize("size", [1e2, 1e4, 1e6])
    def test_extreme_outputs_stay_finite(self, size: float) -> None:
        likelihood = MixtureOfLogistics(1)
        output = (size * drawn(3, 4, likelihood.outputs(1), 5, 5)).float().requires_grad_()
        x = drawn(4, 4, 1, 5, 5).gt(0).float()
        x[2:] = 0.4
        logs = likelihood.log_prob(x, output)
        logs.sum().backward()
        assert torch.isfinite(logs).all()
        assert output.grad is not None
        assert torch.isfinite(output.grad).all()
        for image in (likelihood.mean(output), likelihood.sample(output)):
            assert image.shape == x.shape
            assert image.min() >= 0
            assert image.max() <= 1


class TestMixtureOfLogistics:
    @settings(max_examples=25, deadline=None)
    @given(seed=SEEDS, spread=st.floats(0.1, 6))
    def test_levels_of_one_channel_sum_to_one(self, seed: int, spread: float) -> None:
        output = first_alone(spread * drawn(seed, 1, 30, 1, 1)).expand(256, -1, -1, -1)
        probabilities = MixtureOfLogistics().log_prob(levels_of_the_first(), output).exp()
        assert probabilities.sum().item() == pytest.approx(1, abs=1e-9)

    @settings(max_examples=15, deadline=None)
    @given(seed=SEEDS, spread=st.floats(0.1, 4), channel=st.integers(0, 2))
    def test_colour_levels_sum_to_one_given_the_channels_before(self, seed: int, spread: float, channel: int) -> None:
        """Σ over a channel of p(x_≤c) is p(x_<c): those after it are summed away by a component that ignores them."""
        likelihood = MixtureOfLogistics()
        output = spread * drawn(seed, 1, 100, 1, 1)
        x = torch.rand(1, 3, 1, 1, dtype=torch.float64).mul(255).round().div(255)
        for after in range(channel + 1, 3):  # at the highest level for certain
            output[:, 10 + 30 * after : 20 + 30 * after] = 1e9
            x[:, after] = 1
        whole = x.expand(256, -1, -1, -1).clone()
        whole[:, channel, 0, 0] = LEVELS
        summed = likelihood.log_prob(whole, output.expand(256, -1, -1, -1)).logsumexp(0)
        output[:, 10 + 30 * channel : 20 + 30 * channel] = 1e9
        x[:, channel] = 1
        torch.testing.assert_close(summed, likelihood.log_prob(x, output)[0], rtol=1e-8, atol=1e-9)

    @pytest.mark.parametrize("size", [1e2, 1e4, 1e6])
    def test_extreme_outputs_stay_finite(self, size: float) -> None:
        likelihood = MixtureOfLogistics()
        output = (size * drawn(3, 4, likelihood.outputs(3), 5, 5)).float().requires_grad_()
        x = drawn(4, 4, 3, 5, 5).gt(0).float()
        x[2:] = 0.4
        logs = likelihood.log_prob(x, output)
        logs.sum().backward()
        assert torch.isfinite(logs).all()
        assert output.grad is not None
        assert torch.isfinite(output.grad).all()
        for image in (likelihood.mean(output), likelihood.sample(output)):
            assert image.shape == x.shape
            assert image.min() >= 0
            assert image.max() <= 1

    def test_float32_agrees_with_float64(self) -> None:
        likelihood = MixtureOfLogistics()
        output = 3 * drawn(5, 2, 100, 8, 8)
        x = torch.rand(2, 3, 8, 8, dtype=torch.float64)
        torch.testing.assert_close(
            likelihood.log_prob(x.float(), output.float()).double(), likelihood.log_prob(x, output), rtol=1e-5, atol=0
        )

    @settings(max_examples=25, deadline=None)
    @given(seed=SEEDS, spread=st.floats(0.1, 6))
    def test_the_mean_of_one_channel_is_that_of_the_levels(self, seed: int, spread: float) -> None:
        likelihood = MixtureOfLogistics()
        output = first_alone(spread * drawn(seed, 1, 30, 1, 1))
        logs = likelihood.log_prob(levels_of_the_first(), output.expand(256, -1, -1, -1))
        exact = (logs.exp() * LEVELS).sum().item()
        assert likelihood.mean(output)[0, 0].item() == pytest.approx(exact, abs=0.5 / 255)

    def test_wide_and_narrow_components_have_a_mean(self) -> None:
        likelihood = MixtureOfLogistics()
        parameters = torch.zeros(1, 30, 1, 1)
        parameters[:, 10:20] = 0.5
        for log_scale, expected in ((-50.0, 0.75), (60.0, 0.5)):  # a point, and as good as uniform at both ends
            parameters[:, 20:30] = log_scale
            assert likelihood.mean(first_alone(parameters))[0, 0].item() == pytest.approx(expected, abs=1e-3)

    def test_samples_are_draws_of_the_likelihood(self) -> None:
        """Frequencies of the first channel, and the mean of all where nothing is cut off."""
        likelihood = MixtureOfLogistics()
        parameters = 0.3 * drawn(7, 1, 100, 1, 1)
        for channel in range(3):
            parameters[:, 20 + 30 * channel : 30 + 30 * channel] -= 3
        count = 20_000
        output = parameters.expand(count, -1, 1, 1)
        x = likelihood.sample(output, torch.Generator().manual_seed(0))
        torch.testing.assert_close((x * 255).round() / 255, x, rtol=0, atol=1e-12)
        error = x.std(0, keepdim=True) / math.sqrt(count)
        assert ((x.mean(0, keepdim=True) - likelihood.mean(parameters)).abs() < 5 * error + 2e-3).all()
        only = first_alone(parameters[:, :30])
        expected = likelihood.log_prob(levels_of_the_first(), only.expand(256, -1, 1, 1)).exp()
        found = torch.bincount((x[:, 0].flatten() * 255).round().long(), minlength=256) / count
        assert (found - expected).abs().sum() < 0.25
        assert (found.cumsum(0) - expected.cumsum(0)).abs().max() < 2 / math.sqrt(count)


class TestMixtureOfLogisticsOfOtherChannels:
    """Neither 1 nor 3: logits, means and log s of each channel, then all couplings."""

    def test_all_images_of_two_channels_sum_to_one(self) -> None:
        likelihood = MixtureOfLogistics(2)
        output = 3 * drawn(1, 1, likelihood.outputs(2), 1, 1)
        x = torch.cartesian_prod(LEVELS, LEVELS).view(-1, 2, 1, 1)
        total = likelihood.log_prob(x, output.expand(len(x), -1, 1, 1)).logsumexp(0)
        assert total.item() == pytest.approx(0, abs=1e-9)

    def test_of_five_channels_the_first_three_are_those_of_colour(self) -> None:
        colour, five = MixtureOfLogistics(3), MixtureOfLogistics(5)
        output = drawn(2, 4, 100, 6, 7)
        rest = output[:, 10:].unflatten(1, (3, 30))
        wide = torch.zeros(4, five.outputs(5), 6, 7, dtype=torch.float64)
        wide[:, :10] = output[:, :10]
        wide[:, 10:70] = rest[:, :, :20].flatten(1, 2)
        wide[:, [*range(70, 80), *range(90, 100)]] = 1e9  # the others are at the highest level for certain
        wide[:, 110:140] = rest[:, :, 20:].flatten(1, 2)
        x = drawn(3, 4, 3, 6, 7).sigmoid().mul(255).round().div(255)
        whole = torch.cat([x, torch.ones(4, 2, 6, 7, dtype=torch.float64)], 1)
        torch.testing.assert_close(five.log_prob(whole, wide), colour.log_prob(x, output))
        torch.testing.assert_close(five.mean(wide)[:, :3], colour.mean(output))

    def test_samples_have_the_mean(self) -> None:
        likelihood, count = MixtureOfLogistics(4), 20_000
        output = 0.3 * drawn(7, 1, likelihood.outputs(4), 1, 1)
        for channel in range(4):
            output[:, 20 + 20 * channel : 30 + 20 * channel] -= 3
        x = likelihood.sample(output.expand(count, -1, 1, 1), torch.Generator().manual_seed(0))
        error = x.std(0, keepdim=True) / math.sqrt(count)
        assert ((x.mean(0, keepdim=True) - likelihood.mean(output)).abs() < 5 * error + 2e-3).all()
