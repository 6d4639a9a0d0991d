"""A served model answers what the model itself would, whatever the model; nothing of it is pickled."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow.exceptions import MlflowException

from hit.config import TrainConfig
from hit.config.latent_maps import DeepOptions
from hit.errors import UserError
from hit.models import HierarchicalVAE, build_model
from hit.models.surface_model import condition_on_betas, fold
from hit.serving import ServedModel, load_folder
from hit.serving.mlflow_model import write_model
from hit.training.checkpoints import save_weights

pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")

GREY, COLOUR = (1, 28, 28), (3, 32, 32)
SMALL = TrainConfig(channels=2, z_dims=(3,))

MODELS: dict[str, tuple[TrainConfig, tuple[int, int, int]]] = {
    "ghvae": (SMALL, GREY),
    "lvae": (replace(SMALL, model="lvae"), GREY),
    "vae": (replace(SMALL, model="vae", betas=(1.0,)), GREY),
    "three layers": (replace(SMALL, z_dims=(2, 3), betas=(1.0, 1.0, 1.0)), GREY),
    "linear z_1": (replace(SMALL, linear_z1=4), GREY),
    "gumbel": (replace(SMALL, posterior="gumbel_softmax"), GREY),
    "gaussian": (replace(SMALL, likelihood="gaussian"), COLOUR),
    "gaussian_learned": (replace(SMALL, likelihood="gaussian_learned"), COLOUR),
    "mol": (replace(SMALL, likelihood="mol"), COLOUR),
    "grey mol": (replace(SMALL, likelihood="mol"), GREY),
    "grey bernoulli": (replace(SMALL, likelihood="bernoulli_grey"), GREY),
    "conv": (replace(SMALL, likelihood="gaussian", latent="conv"), COLOUR),
    "conv lvae mol": (replace(SMALL, model="lvae", likelihood="mol", latent="conv"), COLOUR),
}


@dataclass
class Served:
    model: HierarchicalVAE
    pyfunc: Any  # MLflow warns of its own type hints when mlflow.pyfunc is imported
    folder: Path
    images: np.ndarray

    def ask(self, data: Any, **params: Any) -> dict[str, np.ndarray]:
        return self.pyfunc.predict(data, params=params)  # type: ignore[no-any-return]


def served(
    folder: Path, config: TrainConfig, shape: tuple[int, int, int], model: HierarchicalVAE | None = None
) -> Served:
    model = (model or build_model(config, shape)).eval()
    save_weights(folder / "weights.safetensors", model, "identity")
    write_model(folder / "model", config, shape, folder / "weights.safetensors", "identity")
    pyfunc = mlflow.pyfunc.load_model(str(folder / "model"), suppress_warnings=True)
    images = np.random.default_rng(0).integers(0, 256, (3, *shape), dtype=np.uint8)
    return Served(model, pyfunc, folder / "model", images)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return served(tmp_path_factory.mktemp("served"), *MODELS["ghvae"])


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def close(got: np.ndarray, expected: torch.Tensor) -> None:
    np.testing.assert_allclose(got, expected.detach().numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_answers_as_itself(name: str, tmp_path: Path) -> None:
    config, shape = MODELS[name]
    one = served(tmp_path, config, shape)
    x = one.model.prepare(torch.from_numpy(one.images))
    with torch.no_grad():
        means = one.model(x, sample=False)
        noise = one.model.noise(3, generator(7))
        drawn = one.model(x, noise)
        samples = one.model.generate(one.model.noise(4, generator(5))).clamp(0, 1)
        top = means.latents[-1]
        for layer in range(config.layers - 1, 0, -1):
            top = one.model.priors[layer - 1](top).sample(noise[layer - 1])
        below_top = one.model.likelihood.mean(one.model.decoder(top)).clamp(0, 1)
    latents = one.ask(one.images)
    assert list(latents) == [f"z_{layer}" for layer in range(1, config.layers + 1)]
    for layer, z in enumerate(means.latents, start=1):
        close(latents[f"z_{layer}"], z)
    for layer, z in enumerate(drawn.latents, start=1):
        close(one.ask(one.images, sampled=True, seed=7)[f"z_{layer}"], z)
    shown = one.model.reconstruct(means).clamp(0, 1)
    close(one.ask(one.images, mode="reconstruct")["images"], shown)
    close(one.ask({"z_1": latents["z_1"]}, mode="decode")["images"], shown)
    last = f"z_{config.layers}"
    close(one.ask({last: latents[last]}, mode="decode", sampled=True, seed=7)["images"], below_top)
    close(one.ask(None, mode="sample", count=4, seed=5)["images"], samples)


def test_a_deep_model_answers_as_itself_with_the_other_layers_at_their_priors(tmp_path: Path) -> None:
    maps = "1x1x2,2x2x1,2x2x1,4x4x1"
    config = replace(
        SMALL, model="deep", model_options=DeepOptions(latents=maps), betas=(1.0,) * 4, likelihood="gaussian"
    )
    one = served(tmp_path, config, COLOUR)
    with torch.no_grad():
        means = one.model(one.model.prepare(torch.from_numpy(one.images)), sample=False)
        expected = one.model.descend(lambda layer, prior: means.latents[1] if layer == 2 else prior.mean).clamp(0, 1)
        samples = one.model.generate(one.model.noise(4, generator(5))).clamp(0, 1)
    latents = one.ask(one.images)
    for layer, z in enumerate(means.latents, start=1):
        close(latents[f"z_{layer}"], z)
    close(one.ask(one.images, mode="reconstruct")["images"], one.model.reconstruct(means).clamp(0, 1))
    close(one.ask({"z_2": latents["z_2"]}, mode="decode")["images"], expected)
    close(one.ask(None, mode="sample", count=4, seed=5)["images"], samples)


def test_a_cell_of_a_surface_is_served_as_any_model(tmp_path: Path) -> None:
    surface = condition_on_betas(build_model(SMALL, GREY), beta_low=0.1, beta_high=10.0)
    cell = replace(SMALL, betas=(0.5, 2.0))
    one = served(tmp_path, cell, GREY, fold(surface, cell.betas))
    x = one.model.prepare(torch.from_numpy(one.images))
    close(one.ask(one.images)["z_2"], one.model(x, sample=False).latents[1])


def test_batches_do_not_show(digits: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = [
        {"data": digits.images, "params": {"sampled": True, "seed": 3}},
        {"data": {"z_2": np.ones((3, 3))}, "params": {"mode": "decode", "sampled": True, "seed": 3}},
        {"data": None, "params": {"mode": "sample", "count": 3}},
    ]
    whole = [digits.pyfunc.predict(**one) for one in asked]
    monkeypatch.setattr("hit.serving.served_model._BATCH", 2)
    for one, expected in zip(asked, whole, strict=True):
        for name, values in digits.pyfunc.predict(**one).items():
            np.testing.assert_allclose(values, expected[name], rtol=1e-4, atol=1e-5)


def test_images_may_be_levels_or_fractions_or_without_channel(digits: Served) -> None:
    expected = digits.ask(digits.images)["z_2"]
    for same in (
        digits.images / 255,
        digits.images[:, 0],
        digits.images.tolist(),
        {"images": digits.images.astype(np.int64)},
        pd.DataFrame({"images": list(digits.images)}),
    ):
        np.testing.assert_array_equal(digits.ask(same)["z_2"], expected)
    black_and_white = (digits.images > 127).astype(float)
    np.testing.assert_array_equal(digits.ask(black_and_white)["z_2"], expected)


@pytest.mark.parametrize(
    ("data", "params", "said"),
    [
        (np.zeros((2, 3, 28, 28), np.uint8), {}, "images must be of shape N×1×28×28, got 2×3×28×28"),
        (np.zeros((28, 28), np.uint8), {}, "images must be of shape N×1×28×28, got 28×28"),
        (np.zeros((0, 1, 28, 28), np.uint8), {}, "images must be of shape N×1×28×28, got 0×1×28×28"),
        (np.full((1, 28, 28), 7.5), {}, "must be in [0, 1], got values from 7.5 to 7.5"),
        (np.full((1, 28, 28), 256), {}, "must be levels from 0 to 255, got 256 to 256"),
        (np.eye(28, dtype=int)[None], {}, "got 0 to 1: write 1.0 for images in [0, 1]"),
        (np.full((1, 28, 28), np.nan), {}, "images must be finite real numbers"),
        (np.full((1, 28, 28), "a"), {}, "images must be numbers"),
        ([[1, 2], [3]], {}, "images must be all of one shape, got rows of different lengths"),
        (
            {"image": np.zeros((1, 28, 28))},
            {},
            "mode encode takes images, as an array or under the name 'images', got image",
        ),
        (
            None,
            {"mode": "reconstruct"},
            "mode reconstruct takes images, as an array or under the name 'images', got nothing",
        ),
        (np.zeros((1, 3)), {"mode": "decode"}, "mode decode takes one of z_1 (N×"),
        ({"z_1": [], "z_2": []}, {"mode": "decode"}, "got z_1, z_2"),
        ({"z_2": np.zeros((1, 4))}, {"mode": "decode"}, "z_2 must be of shape N×3, got 1×4"),
        ({"z_2": 1.0}, {"mode": "decode"}, "z_2 must be of shape N×3, got a single number"),
        (
            None,
            {"mode": "smaple"},
            "mode must be encode, reconstruct, decode or sample, got 'smaple'; did you mean 'sample'?",
        ),
        (None, {"mode": "sample", "count": 0}, "count must be from 1 to 1275 ($HIT_SERVED_SAMPLES bounds it), got 0"),
        (
            None,
            {"mode": "sample", "count": 10**9},
            "($HIT_SERVED_SAMPLES bounds it), got 1000000000",
        ),
        (None, {"mode": "sample", "seed": -1}, "seed must be from 0 to"),
        (None, {"mode": "sample", "cuont": 3}, "unknown param 'cuont'; did you mean 'count'?"),
        (None, {"mode": "sample", "it's": 3, "n": 1}, "unknown param"),
    ],
)
def test_mistakes_are_one_line(digits: Served, data: Any, params: dict[str, Any], said: str) -> None:
    with pytest.raises(MlflowException) as raised:
        digits.ask(data, **params)
    assert said in raised.value.message
    assert "\n" not in raised.value.message
    assert raised.value.get_http_status_code() == 400


def test_how_many_samples_a_request_gets_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_model(SMALL, GREY)
    for most in (ServedModel(model, GREY).most_samples, 7):
        one = ServedModel(model, GREY, most)
        assert len(one.sample(most)["images"]) == most
        with pytest.raises(UserError, match=f"count must be from 1 to {most} "):
            one.sample(most + 1)
    monkeypatch.setenv("HIT_SERVED_SAMPLES", "5000")
    assert ServedModel(model, GREY).most_samples == 5000
    monkeypatch.setenv("HIT_SERVED_SAMPLES", "many")
    with pytest.raises(UserError, match="HIT_SERVED_SAMPLES must be a whole number above 0, got 'many'"):
        ServedModel(model, GREY)


def test_a_request_is_checked_without_mlflow_too(digits: Served) -> None:
    raw = digits.pyfunc.get_raw_model()
    for params, said in (
        ({"cuont": 3}, "unknown param 'cuont'; did you mean 'count'?"),
        ({"mode": ["sample"]}, "mode must be encode"),
        ({"seed": "x"}, "seed must be a whole number, got 'x'"),
        ({"mode": "sample", "count": float("inf")}, "count must be a whole number, got inf"),
    ):
        with pytest.raises(MlflowException) as raised:
            raw.predict(digits.images, params)
        assert said in raised.value.message


def test_other_models_log_what_they_leave_out(digits: Served) -> None:
    """The refusal of unknown params hears MLflow's log, which is that of all models of the process."""
    from mlflow.models.utils import _enforce_params_schema
    from mlflow.types import DataType, ParamSchema, ParamSpec

    schema = ParamSchema([ParamSpec("mode", DataType.string, "x")])
    assert _enforce_params_schema({"cuont": 1}, schema) == {"mode": "x"}


def test_the_folder_holds_no_pickle_and_no_code(digits: Served) -> None:
    files = sorted(str(path.relative_to(digits.folder)) for path in digits.folder.rglob("*") if path.is_file())
    assert [name for name in files if name.startswith("data/")] == [
        "data/vae/model.json",
        "data/vae/weights.safetensors",
    ]
    assert not [name for name in files if name.endswith((".py", ".pkl", ".pt", ".pth", ".bin"))]
    assert not any(path.read_bytes()[:1] == b"\x80" for path in digits.folder.rglob("*") if path.is_file())
    flavour = digits.pyfunc.metadata.flavors["python_function"]
    assert flavour["loader_module"] == "hit.serving"
    assert flavour["data"] == "data/vae"
    assert flavour.get("code") is None


def test_its_requirements_name_hit_by_where_it_is(digits: Served) -> None:
    lines = (digits.folder / "requirements.txt").read_text().splitlines()
    assert {line.partition("==")[0] for line in lines if "==" in line} >= {"mlflow", "torch", "safetensors", "numpy"}
    assert not any(line.split("==")[0].strip() == "hit" for line in lines), "an index may hold another hit"
    assert [line for line in lines if line.startswith("hit @ ")]
    assert not any("+" in line for line in lines if "==" in line)


def test_the_signature_and_the_example_tell_how_to_ask(digits: Served) -> None:
    signature = digits.pyfunc.metadata.signature
    assert [param.name for param in signature.params] == ["mode", "count", "sampled", "seed"]
    assert [output.name for output in signature.outputs] == ["z_1", "z_2"]
    example = digits.pyfunc.input_example
    answer = digits.ask(example)
    assert [answer[output.name].shape[1:] for output in signature.outputs] == [
        output.shape[1:] for output in signature.outputs
    ]
    serving = json.loads((digits.folder / "serving_input_example.json").read_text())
    assert serving["params"] == {"mode": "encode"}


def test_the_methods_are_there_by_name(digits: Served) -> None:
    raw = digits.pyfunc.get_raw_model()
    assert isinstance(raw, ServedModel)
    np.testing.assert_array_equal(raw.encode(digits.images)["z_2"], digits.ask(digits.images)["z_2"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": "hit-served-0"}, "must be of format hit-served-1, got 'hit-served-0'"),
        ({"image_shape": [1, 28]}, "must describe a served model"),
        ({"image_shape": [1, 28, float("inf")]}, "must describe a served model"),
        ({"config": [1]}, "must hold the config of a served model by name, got [1]"),
        ({"config": None}, "must hold the config of a served model by name, got None"),
        ({"config": {"z_dims": None}}, "z_dims must be whole numbers with commas, got None"),
        ({"config": {"channels": 16_000, "z_dims": 1_000_000}}, "must make a model that fits into"),
        ({"identity": ["x"]}, "config hash ['x']"),
        ({"config": {"modle": "vae"}}, "unknown parameter 'modle'; did you mean 'model'?"),
        ({"config": {"model": "lvae"}}, "checkpoint must be of this model"),
        ({"identity": "another"}, "config hash another"),
    ],
)
def test_a_folder_that_was_tampered_with(digits: Served, tmp_path: Path, change: dict[str, Any], said: str) -> None:
    described = json.loads((digits.folder / "data" / "vae" / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**described, **change}))
    (tmp_path / "weights.safetensors").write_bytes(
        (digits.folder / "data" / "vae" / "weights.safetensors").read_bytes()
    )
    with pytest.raises(UserError, match=re.escape(said)):
        load_folder(tmp_path)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize("depth", [300, 100_000])
def test_a_description_that_is_nested_deeply(digits: Served, tmp_path: Path, depth: int) -> None:
    config = f'{{"model": {nested(depth)}}}'
    (tmp_path / "model.json").write_text(
        f'{{"format": "hit-served-1", "identity": "", "image_shape": [1, 28, 28], "config": {config}}}'
    )
    with pytest.raises(UserError) as raised:
        load_folder(tmp_path)
    assert len(str(raised.value)) < 500
