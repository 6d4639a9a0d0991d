"""Models of vectors: standardised by constants that are saved with the weights, whatever the units of the data."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.distributions import Bernoulli, FixedGaussian, LearnedGaussian, VectorLikelihood
from hit.errors import ConfigError, DataError, Interrupted
from hit.models import HierarchicalVAE, build_model, check_fit, check_memory, check_values
from hit.models.geometry.vector_geometry import MOST_Z1
from hit.models.surface_model import condition_on_betas, fold
from hit.training import fit
from hit.training.checkpoints import load_weights, save_weights
from tests.trainings import same_weights, train, without_time

SMALL = TrainConfig(likelihood="gaussian", channels=2, z_dims=(2,), epochs=2, batch_size=16, learning_rate=3e-3)


#: Parameters, R_1, R_2 and D of the untrained model of two vectors of six features.
GOLDEN = 8_290, [0.70501, 0.419879, 12.152828]


def two_directions(count: int = 120, features: int = 6, seed: int = 0) -> Dataset:
    """Features that lie near a plane, in units of all sizes; the label is the sign of its first direction."""
    generator = torch.Generator().manual_seed(seed)
    factors = torch.randn(count, 2, generator=generator)
    mixing = torch.randn(2, features, generator=generator)
    noise = 0.1 * torch.randn(count, features, generator=generator)
    vectors = (factors @ mixing + noise) * 10 ** torch.linspace(-3, 3, features) + torch.arange(features)
    labels = (factors[:, 0] > 0).long()
    cut = count * 4 // 5
    return Dataset("two directions", Split(vectors[:cut], labels[:cut]), Split(vectors[cut:], labels[cut:]), 2)


def likelihood_of(model: HierarchicalVAE) -> VectorLikelihood:
    assert isinstance(model.likelihood, VectorLikelihood)
    return model.likelihood


class TestStandardisation:
    def test_its_constants_are_those_of_the_training_set_and_lie_in_the_weights(self, tmp_path: Path) -> None:
        data = two_directions()
        model = build_model(SMALL, data.shape)
        fit(model, data.train, SMALL)
        x = model.prepare(data.train.images)
        torch.testing.assert_close(x.mean(0), torch.zeros(6), atol=1e-5, rtol=0)
        torch.testing.assert_close(x.std(0, correction=0), torch.ones(6), atol=1e-5, rtol=0)
        save_weights(tmp_path / "weights", model, "identity")
        other = build_model(replace(SMALL, seed=9), data.shape)
        load_weights(tmp_path / "weights", other, "identity")
        assert torch.equal(other.prepare(data.test.images), model.prepare(data.test.images))
        assert {"likelihood.location", "likelihood.scale"} <= model.state_dict().keys()
        assert "likelihood.scale" not in dict(model.named_parameters())

    def test_a_vector_comes_back_in_its_own_units(self) -> None:
        data = two_directions()
        likelihood = VectorLikelihood(FixedGaussian(0.5), 6)
        likelihood.fit(data.train.images)
        back = likelihood.restore(likelihood.prepare(data.test.images))
        torch.testing.assert_close(back, data.test.images, rtol=1e-4, atol=1e-4)

    def test_the_jacobian_leads_to_the_density_of_raw_features(self) -> None:
        data, sigma = two_directions(), 0.5
        likelihood = VectorLikelihood(FixedGaussian(sigma), 6)
        likelihood.fit(data.train.images)
        output = torch.randn(len(data.test), 6, generator=torch.Generator().manual_seed(0))
        raw = torch.distributions.Normal(likelihood.restore(output).double(), likelihood.scale.double() * sigma)
        expected = raw.log_prob(data.test.images.double()).sum(1)
        found = likelihood.log_prob(likelihood.prepare(data.test.images), output) - likelihood.log_jacobian
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-3)

    def test_other_units_give_the_same_model_and_the_same_rates(self) -> None:
        data = two_directions()
        scaled = [Split(split.images * 4, split.labels) for split in (data.train, data.test)]
        other = Dataset("scaled", *scaled, 2)
        runs = []
        for one in (data, other):
            model = build_model(SMALL, one.shape)
            runs.append(fit(model, one.train, SMALL).metrics)
        assert runs[0]["train/rate"] == pytest.approx(runs[1]["train/rate"], rel=1e-5)
        assert runs[0]["train/distortion"] == pytest.approx(runs[1]["train/distortion"], rel=1e-5)

    def test_binary_features_stay_as_they_are(self) -> None:
        likelihood = VectorLikelihood(Bernoulli(), 3)
        vectors = torch.tensor([[0.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
        likelihood.fit(vectors)
        assert torch.equal(likelihood.prepare(vectors), vectors)
        assert likelihood.discrete
        assert likelihood.log_jacobian == 0


class TestTraining:
    def test_the_same_seed_gives_the_same_numbers_and_resuming_the_same_model(self, tmp_path: Path) -> None:
        data = two_directions()
        whole, again, resumed = (build_model(SMALL, data.shape) for _ in range(3))
        epochs = train(whole, data, SMALL)
        assert without_time(train(again, data, SMALL)) == without_time(epochs)
        assert same_weights(whole, again)
        with pytest.raises(Interrupted):
            train(resumed, data, SMALL, tmp_path / "checkpoint", stop_after=8)
        resumed = build_model(SMALL, data.shape)
        train(resumed, data, SMALL, tmp_path / "checkpoint")
        assert same_weights(whole, resumed)

    def test_two_directions_are_found(self) -> None:
        """Two numbers of z_1 explain what two factors make, and the rates pay for them."""
        data = two_directions(400)
        config = replace(SMALL, sigma=0.2, linear_z1=2, epochs=60, channels=4, learning_rate=1e-2)
        model = build_model(config, data.shape)
        metrics = fit(model, data.train, config).metrics
        x = model.prepare(data.test.images)
        with torch.no_grad():
            outcome = model(x, sample=False)
        error = float((x - model.reconstruct(outcome)).square().mean())
        assert error < 0.2
        assert metrics["train/rate"] > 2

    def test_golden(self) -> None:
        """Numbers of a model as it was first built: another build or another order of draws would change them."""
        model = build_model(SMALL, (6,))
        x = torch.linspace(-1, 1, 12).view(2, 6)
        with torch.no_grad():
            outcome = model(x, sample=False)
        assert sum(parameter.numel() for parameter in model.parameters()) == GOLDEN[0]
        found = [*(float(rate.sum()) for rate in outcome.rates), float(outcome.distortion.sum())]
        assert found == pytest.approx(GOLDEN[1], rel=1e-4)


class TestSizes:
    @pytest.mark.parametrize("features", [1, 2, 63, 64, 65, 300])
    def test_z1_has_as_many_dimensions_as_there_are_features_up_to_a_bound(self, features: int) -> None:
        model = build_model(SMALL, (features,))
        assert model.latent_shapes == ((min(features, MOST_Z1),), (2,))
        assert model.generate(model.noise(3)).shape == (3, features)

    def test_or_as_many_as_are_asked_for(self) -> None:
        for family in ("ghvae", "lvae", "vae"):
            config = TrainConfig.from_flat({"model": family, "likelihood": "gaussian", "linear_z1": 5, "channels": 2})
            assert build_model(config, (9,)).latent_shapes[0] == (5,)


class TestSurface:
    @pytest.mark.parametrize("model", ["ghvae", "lvae", "vae"])
    def test_untrained_it_is_the_model_and_its_cells_are_models(self, model: str) -> None:
        data = two_directions()
        config = TrainConfig.from_flat(
            {"model": model, "likelihood": "gaussian_learned", "channels": 2, "z_dims": 2, "epochs": 1, "warmup": False}
        )
        plain = build_model(config, data.shape)
        surface = condition_on_betas(build_model(config, data.shape))
        betas = torch.ones(config.layers)
        x = surface.prepare(data.test.images)
        torch.testing.assert_close(surface(x, betas, sample=False).distortion, plain(x, sample=False).distortion)
        fit(surface, data.train, config)
        x = surface.prepare(data.test.images)
        cell = fold(surface, [0.5] * config.layers)
        torch.testing.assert_close(cell.prepare(data.test.images), x)
        torch.testing.assert_close(
            cell(x, sample=False).distortion, surface(x, betas * 0.5, sample=False).distortion, rtol=1e-4, atol=1e-4
        )


def with_column(column: torch.Tensor, name: str = "age") -> Dataset:
    vectors = torch.randn(len(column), 2, generator=torch.Generator().manual_seed(0))
    vectors[:, 1] = column
    labels = torch.arange(len(column)) % 2
    return Dataset("table.csv", Split(vectors, labels), Split(vectors, labels), 2, ("height", name))


class TestRefusals:
    def test_a_constant_feature(self) -> None:
        with pytest.raises(DataError, match="feature 'age' must not be the same in all 8 training examples, got 3"):
            check_values(SMALL, with_column(torch.full((8,), 3.0)))

    def test_a_feature_that_float32_cannot_tell_apart(self) -> None:
        with pytest.raises(DataError, match=r"feature 'age' must differ by more than float32 .*subtract 1\.7e\+09"):
            check_values(SMALL, with_column(1.7e9 + 128 * torch.arange(8.0)))

    def test_bernoulli_of_what_is_not_binary(self) -> None:
        config = replace(SMALL, likelihood="bernoulli")
        with pytest.raises(ConfigError, match=r"gaussian_learned where .* not all 0 or 1, got bernoulli with -1"):
            check_values(config, with_column(torch.full((8,), 0.5)))
        binary = with_column(torch.arange(8.0) % 2)
        binary = Dataset("it", *(Split(split.images.gt(0).float(), split.labels) for split in (binary.train,) * 2), 2)
        check_values(config, binary)

    @pytest.mark.parametrize(
        ("flat", "message"),
        [
            ({"latent": "conv"}, "latent must be dense for vectors, got 'conv'"),
            ({"likelihood": "mol"}, "must be gaussian, gaussian_learned or bernoulli for vectors, got 'mol'"),
            ({"likelihood": "bernoulli_grey"}, "for vectors, got 'bernoulli_grey'"),
            ({"likelihood": "bernoulli", "target_rate_1": 100}, r"at most 4\.852 nats, what 7 features of 2 levels"),
        ],
    )
    def test_what_models_of_vectors_have_not(self, flat: dict[str, object], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            check_fit(TrainConfig.from_flat({"likelihood": "gaussian", **flat}), (7,))

    def test_a_linear_z1_of_a_vae_of_images(self) -> None:
        with pytest.raises(
            ConfigError, match=r"linear_z1 must be 0 unless .* the data are vectors, got 8 with model=vae"
        ):
            check_fit(TrainConfig(model="vae", linear_z1=8, betas=(1.0,)), (1, 28, 28))

    def test_more_features_than_memory(self) -> None:
        with pytest.raises(ConfigError, match="must make a model that fits into the"):
            check_memory(replace(SMALL, channels=64), (10**9,), torch.device("cpu"), 100)


def test_a_learned_sigma_is_one_of_standardised_features() -> None:
    likelihood = VectorLikelihood(LearnedGaussian(), 4)
    x = torch.zeros(1, 4)
    sigma = -6 + math.log1p(math.exp(6))
    expected = -4 * (0.5 * math.log(2 * math.pi) + sigma)
    assert float(likelihood.log_prob(x, torch.zeros(1, 4)).detach()) == pytest.approx(expected, rel=1e-5)
