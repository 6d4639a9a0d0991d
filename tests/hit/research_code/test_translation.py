"""Whatever stands in an import's config.json, it is translated or refused by one line, and stops no other import."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hit.config import TrainConfig
from hit.errors import CheckpointError, ConfigError
from hit.models import build_model
from hit.research_code import Unsupported, translate_config, translate_weights
from hit.research_code.importer import ImportStatus, find_runs, import_runs, read_config
from tests.research_runs import FLAGS, weights_of
from tests.stores import new_database
from tests.unreadable import unreadable

#: Those of a run whose every flag means something.
LADDER: dict[str, Any] = {
    name: value for name, value in FLAGS.items() if name not in ("run_name", "run_batch_name")
} | {"vae_type": "LVAE", "px_y_family_ll": "GaussianFixedSigma"}
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([10**400, "9" * 5000, 1e300, "\udcff", "x" * 10_000, "1.5", -1, 0]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(changes=st.dictionaries(st.sampled_from(list(LADDER)), values, min_size=1, max_size=3))
def test_any_flag_is_translated_or_refused(changes: dict[str, Any]) -> None:
    said = ""
    try:
        config = translate_config(LADDER | changes)
    except (CheckpointError, ConfigError) as error:
        said = str(error)
    assert len(said) < 1000
    assert said or TrainConfig.from_flat(config.to_flat()) == config


def write(folder: Path, **flags: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(LADDER | flags))
    (folder / "vae.pth").write_bytes(b"PK")
    return folder


def test_one_bad_config_stops_no_import(tmp_path: Path) -> None:
    odd: dict[str, Any] = {"null": None, "half": 1.5, "true": True, "mapping": {"z": 1}, "huge": 10**12, "none": []}
    for name, dims in odd.items():
        write(tmp_path / "runs" / name, z_dims=dims)
    machine = TrainConfig(metrics="core", device="cpu", threads=1, state_dir=str(tmp_path / "state"))
    results = import_runs(find_runs(str(tmp_path / "runs")), machine, uri=new_database(tmp_path / "store.db"))
    assert {result.folder.name: result.status for result in results} == dict.fromkeys(sorted(odd), ImportStatus.DAMAGED)
    for result in results:
        assert "z_dims must" in result.reason, result


def test_a_folder_that_may_be_listed_alone(tmp_path: Path) -> None:
    folder = write(tmp_path / "run")
    with (
        unreadable(folder),
        pytest.raises(CheckpointError, match=r"config\.json must be readable, got: Permission"),
    ):
        read_config(folder)


def test_a_data_root_out_of_reach_is_no_fault_of_the_runs(tmp_path: Path) -> None:
    folder = write(tmp_path / "run")
    with pytest.raises(ConfigError, match="data_root must begin with"):
        import_runs([folder], TrainConfig(data_root="~nosuchuser"), uri=new_database(tmp_path / "store.db"))


class TestTranslation:
    def test_every_flag_arrives(self) -> None:
        assert translate_config(FLAGS) == TrainConfig(
            dataset="binary_mnist",
            model="ghvae",
            likelihood="bernoulli",
            channels=4,
            z_dims=(5,),
            betas=(0.7, 1.3),
            epochs=3,
            batch_size=128,
            learning_rate=1e-3,
            seed=2,
        )

    def test_what_only_some_models_have(self) -> None:
        gaussian = FLAGS | {"dataset": "CIFAR10", "px_y_family_ll": "GaussianFixedSigma", "sigma": 0.71}
        assert translate_config(gaussian).sigma == 0.71
        del gaussian["sigma"]
        assert translate_config(gaussian).sigma == 0.03, "the research code's default, not ours"
        assert translate_config(FLAGS | {"vae_type": "LVAE"}).warmup
        assert not translate_config(FLAGS | {"vae_type": "LVAE", "no_warmup": True}).warmup
        learned = translate_config(FLAGS | {"dataset": "SVHN", "px_y_family_ll": "GaussianLearnedSigma"})
        assert (learned.dataset, learned.likelihood) == ("svhn", "gaussian_learned")

    @pytest.mark.parametrize(
        ("flag", "value"),
        [
            ("qz_family", "Laplace"),
            ("px_y_family_ll", "Poisson"),
            ("dataset", "LSUN"),
            ("vae_type", "VAE"),
            ("vae_type", ["HVAE"]),
        ],
    )
    def test_what_does_not_exist_here_is_named(self, flag: str, value: object) -> None:
        with pytest.raises(Unsupported, match=f"{flag}.*not supported"):
            translate_config(FLAGS | {flag: value})

    def test_all_models_of_the_research_code_are_known(self) -> None:
        conv = translate_config(FLAGS | {"use_conv_z": True, "linear_y_with_dims": 64})
        assert (conv.latent, conv.linear_z1, conv.z_dims) == ("conv", 0, TrainConfig.z_dims), (
            "as there, no heed is taken"
        )
        large = translate_config(FLAGS | {"dataset": "ImageNet", "px_y_family_ll": "MoL"})
        assert (large.dataset, large.latent, large.likelihood) == ("imagenet", "conv", "mol")
        assert translate_config(FLAGS | {"linear_y_with_dims": 64}).linear_z1 == 64
        assert translate_config(FLAGS | {"qz_family": "GumbelSoftmax"}).posterior == "gumbel_softmax"
        with pytest.raises(Unsupported, match=r"LVAE.*not supported.*ImageNet"):
            translate_config(FLAGS | {"dataset": "ImageNet", "vae_type": "LVAE"})
        with pytest.raises(CheckpointError, match="linear_y_with_dims must be a positive whole number or -1, got '64'"):
            translate_config(FLAGS | {"linear_y_with_dims": "64"})

    @pytest.mark.parametrize(
        ("dataset", "likelihood"),
        [("MNIST", "bernoulli_grey"), ("FashionMNIST", "bernoulli_grey"), ("BinaryMNIST", "bernoulli")],
    )
    def test_bernoulli_is_of_the_levels_that_it_was_trained_on(self, dataset: str, likelihood: str) -> None:
        assert translate_config(FLAGS | {"dataset": dataset}).likelihood == likelihood

    def test_likelihoods_that_do_not_fit_their_images_are_named(self) -> None:
        with pytest.raises(Unsupported, match=r"'Bernoulli' is not supported with dataset 'CIFAR10', in colour"):
            translate_config(FLAGS | {"dataset": "CIFAR10"})
        with pytest.raises(Unsupported, match=r"'MoL' is not supported with dataset 'MNIST', in grey"):
            translate_config(FLAGS | {"dataset": "MNIST", "px_y_family_ll": "MoL"})
        with pytest.raises(Unsupported, match=r"dataset \['MNIST'\] is not supported"):
            translate_config(FLAGS | {"dataset": ["MNIST"]})

    @pytest.mark.parametrize("flag", ["vae_type", "dataset", "px_y_family_ll", "z_dims", "beta_y", "num_epochs"])
    def test_a_missing_flag_is_named(self, flag: str) -> None:
        with pytest.raises(CheckpointError, match=f"flag {flag} must be given") as caught:
            translate_config({name: value for name, value in FLAGS.items() if name != flag})
        assert not isinstance(caught.value, Unsupported)

    def test_a_value_out_of_range_is_named(self) -> None:
        with pytest.raises(ConfigError, match="beta_2 must be"):
            translate_config(FLAGS | {"beta_z": -1})
        with pytest.raises(CheckpointError, match="no_warmup must be true or false, got 'False'"):
            translate_config(FLAGS | {"vae_type": "LVAE", "no_warmup": "False"})

    @pytest.mark.parametrize("vae_type", ["HVAE", "LVAE"])
    @pytest.mark.parametrize(
        "flags",
        [
            {},
            {"qz_family": "GumbelSoftmax"},
            {"linear_y_with_dims": 8},
            {"dataset": "CIFAR10", "px_y_family_ll": "MoL"},
            {"dataset": "CIFAR10", "px_y_family_ll": "MoL", "use_conv_z": True},
            {"dataset": "SVHN", "px_y_family_ll": "GaussianLearnedSigma", "use_conv_z": True},
            {"dataset": "ImageNet", "px_y_family_ll": "GaussianFixedSigma"},
            {"dataset": "ImageNet", "px_y_family_ll": "MoL"},
        ],
    )
    def test_our_weights_under_their_names_come_back(self, vae_type: str, flags: dict[str, object]) -> None:
        if vae_type == "LVAE" and flags.get("dataset") == "ImageNet":
            pytest.skip("does not exist")
        config = translate_config(FLAGS | {"vae_type": vae_type} | flags)
        side, channels = {"BinaryMNIST": (28, 1), "ImageNet": (256, 3)}.get(
            str(flags.get("dataset", "BinaryMNIST")), (32, 3)
        )
        state = build_model(config, (channels, side, side)).state_dict()
        back = translate_weights(weights_of(config, side, channels), config)
        assert back.keys() == state.keys()
        assert all(torch.equal(back[name], state[name]) for name in state)

    def test_log_sigma_is_taken_where_it_is_learned_and_dropped_where_it_is_not(self) -> None:
        flags = FLAGS | {"dataset": "CIFAR10", "px_y_family_ll": "GaussianLearnedSigma"}
        learned = translate_config(flags)
        for value in (torch.tensor(-1.5), torch.tensor([-1.5])):
            weights = weights_of(learned, 32, 3) | {"log_sigma": value}
            model = build_model(learned, (3, 32, 32))
            model.load_state_dict(translate_weights(weights, learned), strict=True)
            assert model.likelihood.log_sigma.item() == -1.5
        with pytest.raises(CheckpointError, match="one number"):
            translate_weights({"log_sigma": torch.zeros(3)}, learned)
        fixed = translate_config(flags | {"px_y_family_ll": "GaussianFixedSigma"})
        assert "likelihood.log_sigma" not in translate_weights(weights, fixed)
