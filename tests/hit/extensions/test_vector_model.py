"""A model of an extension takes vectors: checked, trained, registered and loaded."""

from collections.abc import Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest

import hit.train
from hit.extensions import discovery, load_extensions
from hit.extensions.discovery import temporary
from hit.processes.stop import StopRequest
from hit.serving.model_registry import register_run
from hit.store import Store
from hit.testing import ContractBroken, check_model
from tests.stores import new_database

MODEL = """
import torch
from torch import nn
from hit.config.parts import MODELS
from hit.errors import ConfigError
from hit.models import HierarchicalVAE
from hit.models.hierarchy import Inference
from hit.models.networks import SplitHeads


class Posteriors(Inference):
    def __init__(self, features, dim):
        super().__init__()
        self.top, self.bottom = SplitHeads(nn.Linear(features, 2 * dim)), SplitHeads(nn.Linear(features + dim, 2 * dim))

    def evidence(self, x):
        return x, x

    def posterior(self, layer, evidence, above, prior):
        return self.top(evidence) if above is None else self.bottom(torch.cat([evidence, above], 1))


@MODELS.register("rows", layers=2)
def build(shape, likelihood, options, config):
    if len(shape) > 1:
        raise ConfigError("model 'rows' takes vectors")
    prior, decoder = SplitHeads(nn.Linear(2, 4)), nn.Linear(2, likelihood.outputs(*shape))
    return HierarchicalVAE(Posteriors(*shape, 2), [prior], decoder, likelihood, [(2,), (2,)])
"""


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", new_database(tmp_path / "store.db"))
    monkeypatch.setenv(discovery.VARIABLE, "")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows_model.py").write_text(MODEL)
    with temporary():
        yield Store()


def test_its_whole_life(store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vectors = np.random.default_rng(0).normal(3, 2, (60, 5)).astype(np.float32)
    np.savez(tmp_path / "table.npz", x=vectors)
    load_extensions("rows_model.py")
    check_model("rows", (5,), likelihood="gaussian")
    with pytest.raises(ContractBroken, match="model 'rows' takes vectors"):
        check_model("rows", likelihood="gaussian")
    words = ["--model", "rows", "--dataset", "table.npz", "--likelihood", "gaussian", "--epochs", "1", "--threads", "1"]
    hit.train.main([*words, "--metrics", "core", "--state_dir", str(tmp_path / "state")], StopRequest())
    said = capsys.readouterr()
    assert "R_2 [nats per vector]" in said.err
    run_id = said.out.split()[-1]
    registered = register_run(store, run_id, alias="mine", text="")
    model = mlflow.pyfunc.load_model(registered.uri, suppress_warnings=True)
    assert model.predict(vectors, params={"mode": "reconstruct"})["vectors"].shape == (60, 5)
    assert model.predict(vectors)["z_2"].shape == (60, 2)
