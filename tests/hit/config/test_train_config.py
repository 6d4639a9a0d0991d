"""The config: flat and back, one clear line for every mistake, hashes that mean what they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hit.config import TrainConfig, flat_defaults, machine_fields
from hit.errors import ConfigError


@given(
    betas=st.lists(st.floats(0, 1e6), min_size=3, max_size=3),
    epochs=st.integers(1, 1000),
    learning_rate=st.floats(1e-8, 10),
)
def test_flat_and_back_is_the_same_config(betas: list[float], epochs: int, learning_rate: float) -> None:
    config = TrainConfig(betas=tuple(betas), z_dims=(8, 20), epochs=epochs, learning_rate=learning_rate)
    as_strings = {name: str(value) for name, value in config.to_flat().items()}
    assert TrainConfig.from_flat(as_strings) == config


def test_layers_follow_z_dims() -> None:
    assert TrainConfig().layers == 2
    assert TrainConfig.from_flat({"z_dims": "4, 8,20", "beta_4": "0.5"}).betas == (1.0, 1.0, 1.0, 0.5)


@pytest.mark.parametrize(
    ("flat", "words"),
    [
        ({"model": "gvae"}, ["model", "'gvae'", "did you mean 'ghvae'"]),
        ({"likelihood": "bernouli"}, ["likelihood", "'bernouli'", "did you mean 'bernoulli'"]),
        ({"learning_rte": 1}, ["learning_rte", "did you mean 'learning_rate'"]),
        ({"beta_1": -1}, ["beta_1", "greater than or equal to 0", "-1"]),
        ({"beta_2": "ten"}, ["beta_2", "number", "'ten'"]),
        ({"beta_1": "nan"}, ["beta_1", "finite", "nan"]),
        ({"beta_1": "inf"}, ["beta_1", "finite", "inf"]),
        ({"beta_3": 1}, ["beta_3", "3 layers", "L = 2"]),
        ({"model": "vae", "beta_2": 7}, ["beta_2", "2 layers", "L = 1", "7"]),
        ({"z_dims": "20,x"}, ["z_dims", "whole numbers", "'20,x'"]),
        ({"z_dims": "8,,20"}, ["z_dims", "whole numbers", "'8,,20'"]),
        ({"z_dims": ""}, ["z_dims", "whole numbers", "''"]),
        ({"z_dims": "0"}, ["z_dims", "greater than 0"]),
        ({"epochs": "1.5"}, ["epochs", "whole number", "'1.5'"]),
        ({"sigma": 0}, ["sigma", "greater than or equal to 0.0001", "got 0"]),
        ({"seed": 2**31}, ["seed", "less than or equal to 2147483647", "got 2147483648"]),
        ({"warmup": "perhaps"}, ["warmup", "true or false", "perhaps"]),
        ({"linear_z1": -1}, ["linear_z1", "greater than or equal to 0", "-1"]),
        ({"linear_z1": 8, "latent": "conv"}, ["linear_z1 must be 0", "got 8", "latent=conv"]),
        ({"posterior": "gumbel_softmax", "model": "vae"}, ["posterior must be gaussian", "model=vae"]),
        ({"posterior": "gumbel_softmax", "latent": "conv"}, ["posterior must be gaussian", "latent=conv", "L = 2"]),
        ({"latent": "convolution"}, ["latent", "'convolution'", "did you mean 'conv'"]),
    ],
)
def test_a_mistake_is_one_line_with_field_rule_and_value(flat: dict[str, object], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        TrainConfig.from_flat(flat)
    line = str(caught.value)
    assert "\n" not in line
    for word in words:
        assert word in line


def test_identity_tells_what_decides_the_result_and_nothing_else() -> None:
    config = TrainConfig()
    for name in machine_fields():
        other = {"device": "cpu", "threads": 1, "metrics": "core"}.get(name, "/elsewhere")
        assert TrainConfig.from_flat({name: other}).identity("d") == config.identity("d"), name
    for name, value in {"beta_1": 2, "channels": 8, "z_dims": "10", "seed": 1, "likelihood": "gaussian"}.items():
        assert TrainConfig.from_flat({name: value}).identity("d") != config.identity("d"), name
    assert config.identity("d") != config.identity("e")
    # typed differently, the same number
    assert TrainConfig.from_flat({"beta_1": "1e-1"}).identity("d") == TrainConfig.from_flat({"beta_1": 0.1}).identity(
        "d"
    )


def test_replicates_share_a_group() -> None:
    one, other = TrainConfig(seed=1), TrainConfig(seed=2)
    assert one.group("d") == other.group("d")
    assert one.group("d") != TrainConfig(seed=1, channels=8).group("d")


def test_what_a_model_does_not_have_does_not_tell_it_apart() -> None:
    assert TrainConfig(sigma=0.5).identity("d") == TrainConfig().identity("d")  # Bernoulli has no σ
    assert TrainConfig(warmup=False).identity("d") == TrainConfig().identity("d")  # only the ladder warms up
    assert TrainConfig(likelihood="gaussian", sigma=0.5).identity("d") != TrainConfig(likelihood="gaussian").identity(
        "d"
    )


def test_the_last_of_z_dims_means_nothing_for_a_convolutional_z2() -> None:
    def identity(**fields: object) -> str:
        return TrainConfig.from_flat(fields).identity("d")

    assert identity(latent="conv", z_dims="7") == identity(latent="conv")
    assert identity(latent="conv", z_dims="8,7") == identity(latent="conv", z_dims="8,20")
    assert identity(latent="conv", z_dims="9,20") != identity(latent="conv", z_dims="8,20")
    assert identity(latent="conv") != identity()
    assert identity(latent="conv", model="vae") == identity(model="vae")
    assert identity(linear_z1=8) != identity(linear_z1=9) != identity()


def test_identities_outlive_fields_that_came_later() -> None:
    """What was trained before a field existed is still found."""
    assert TrainConfig().identity("d") == "160b1646906c0dae"
    assert TrainConfig(model="lvae", likelihood="gaussian").identity("d") == "51bb18e32db2c155"
    assert TrainConfig(model="vae", betas=(1.0,)).identity("d") == "0a3767c63a32b326"


def test_dimensions_are_those_of_the_latents() -> None:
    assert "dim_z2" not in TrainConfig(latent="conv", channels=8, z_dims=(3, 5)).numbers()
    assert TrainConfig(latent="conv", channels=8, z_dims=(3, 5)).numbers()["dim_z3"] == 3
    assert TrainConfig(linear_z1=9).numbers()["dim_z1"] == 9
    assert "dim_z1" not in TrainConfig().numbers()


def test_numbers_mirror_what_people_filter_on() -> None:
    numbers = TrainConfig(betas=(0.01, 0.0)).numbers()
    assert numbers["beta_1"] == 0.01
    assert numbers["log10_beta_1"] == pytest.approx(-2)
    assert "log10_beta_2" not in numbers  # β = 0 has no logarithm: absent, not −∞
    assert numbers["dim_z2"] == 20
    assert numbers["layers"] == 2
    assert "dim_z2" not in TrainConfig(model="vae", betas=(1.0,)).numbers()


def test_every_default_is_flat() -> None:
    assert flat_defaults()["beta_1"] == 1.0
    assert all(isinstance(value, str | int | float | bool) for value in flat_defaults().values())
