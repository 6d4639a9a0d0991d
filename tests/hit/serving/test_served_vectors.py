"""A served model of vectors takes and gives them in the units of its training data."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow.exceptions import MlflowException

from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.models import HierarchicalVAE, build_model
from hit.serving.mlflow_model import write_model
from hit.training import fit
from hit.training.checkpoints import save_weights

pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning")

SMALL = TrainConfig(likelihood="gaussian", sigma=0.1, channels=4, z_dims=(2,), epochs=40, batch_size=16)
NAMES = ("metres", "years", "grams")


def data() -> Dataset:
    """One factor, in units of all sizes."""
    factor = torch.linspace(-2, 2, 100)[torch.randperm(100, generator=torch.Generator().manual_seed(0))]
    vectors = torch.stack([1000 + 50 * factor, 0.001 * factor, 5 - factor], 1)
    labels = (factor > 0).long()
    return Dataset("it", Split(vectors[:80], labels[:80]), Split(vectors[80:], labels[80:]), 2, NAMES)


def served(folder: Path, config: TrainConfig, features: tuple[str, ...]) -> tuple[HierarchicalVAE, Any]:
    dataset = data()
    model = build_model(config, dataset.shape)
    fit(model, dataset.train, config)
    save_weights(folder / "weights.safetensors", model, "identity")
    write_model(folder / "model", config, (3,), folder / "weights.safetensors", "identity", features=features)
    return model, mlflow.pyfunc.load_model(str(folder / "model"), suppress_warnings=True)


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> tuple[HierarchicalVAE, Any]:
    return served(tmp_path_factory.mktemp("named"), replace(SMALL, learning_rate=1e-2), NAMES)


@pytest.fixture
def vectors() -> np.ndarray:
    return data().test.images.numpy()


def test_raw_vectors_come_back_in_their_units(named: tuple[HierarchicalVAE, Any], vectors: np.ndarray) -> None:
    model, pyfunc = named
    back = pyfunc.predict(vectors, params={"mode": "reconstruct"})["vectors"]
    spread = vectors.std(0)
    assert (np.abs(back - vectors).mean(0) < 0.3 * spread).all()
    with torch.no_grad():
        outcome = model(model.prepare(torch.from_numpy(vectors)), sample=False)
        expected = model.restore(model.reconstruct(outcome))
    np.testing.assert_allclose(back, expected.numpy(), rtol=1e-4)
    latents = pyfunc.predict(vectors)
    np.testing.assert_allclose(latents["z_1"], outcome.latents[0].numpy(), rtol=1e-3, atol=1e-5)
    decoded = pyfunc.predict({"z_1": latents["z_1"]}, params={"mode": "decode"})["vectors"]
    np.testing.assert_allclose(decoded, back, rtol=1e-3)


def test_samples_are_in_the_units_of_the_data(named: tuple[HierarchicalVAE, Any]) -> None:
    drawn = named[1].predict(None, params={"mode": "sample", "count": 200, "seed": 1})["vectors"]
    assert drawn.shape == (200, 3)
    assert abs(drawn[:, 0].mean() - 1000) < 50
    assert np.abs(drawn[:, 1]).max() < 0.01
    again = named[1].predict(None, params={"mode": "sample", "count": 200, "seed": 1})["vectors"]
    assert np.array_equal(drawn, again)


def test_a_table_is_read_by_the_names_of_its_columns(
    named: tuple[HierarchicalVAE, Any], vectors: np.ndarray, tmp_path: Path
) -> None:
    expected = named[1].predict(vectors)["z_2"]
    table = pd.DataFrame(vectors, columns=list(NAMES))[["grams", "metres", "years"]].assign(label=1)
    assert np.array_equal(named[1].predict(table)["z_2"], expected)
    assert np.array_equal(named[1].predict({"vectors": vectors.tolist()})["z_2"], expected)
    with pytest.raises(MlflowException, match="a column for each of 3 features, lacks 'years'; did you mean 'yeers'"):
        named[1].predict(table.rename(columns={"years": "yeers"}))
    _, unnamed = served(tmp_path, SMALL, ())
    assert unnamed.predict(pd.DataFrame(vectors))["z_2"].shape == (20, 2)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (np.zeros((2, 4)), "vectors must be of shape N×3, got 2×4"),
        (np.zeros(3), "vectors must be of shape N×3, got 3"),
        (np.full((2, 3), np.nan), "vectors must be finite real numbers"),
        (np.full((2, 3), 1e300), "vectors must be numbers of at most 3.4e38"),
        (
            {"images": np.zeros((2, 3))},
            "mode encode takes vectors, as an array or under the name 'vectors', got images",
        ),
        (np.array([["a", "b", "c"]]), "vectors must be numbers"),
    ],
)
def test_what_does_not_fit_is_one_line(named: tuple[HierarchicalVAE, Any], request_: Any, message: str) -> None:
    with pytest.raises(MlflowException, match=message):
        named[1].predict(request_)


def test_nothing_but_its_folder_is_needed(named: tuple[HierarchicalVAE, Any]) -> None:
    signature = named[1].metadata.signature
    assert [(one.name, one.shape) for one in signature.outputs.inputs] == [("z_1", (-1, 3)), ("z_2", (-1, 2))]
    assert named[1].get_raw_model().features == NAMES
