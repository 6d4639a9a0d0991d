"""Import of the research code's runs: the right numbers, nothing executed, and one bad file spoils no other."""

import json
import math
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mlflow import MlflowClient

from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.errors import CheckpointError, DataError, UserError
from hit.import_runs import main
from hit.models import build_model
from hit.processes.stop import StopRequest
from hit.research_code import translate_config
from hit.research_code.importer import ImportResult, ImportStatus, find_runs, import_runs, read_config, read_weights
from hit.runs.evaluation_run import candidates, evaluate_run
from hit.schema import Kind, Tag
from hit.store import Store
from tests.research_runs import FLAGS, weights_of, write_run
from tests.stores import new_database


def read(folder: Path) -> None:
    read_weights(folder, read_config(folder))


class _Bomb:
    """A pickle that makes a folder when it is loaded."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.target),)


class TestReading:
    @pytest.mark.parametrize("legacy", [False, True])
    def test_a_pickle_bomb_does_not_go_off(self, tmp_path: Path, legacy: bool) -> None:
        folder = write_run(tmp_path / "run")
        target = tmp_path / "exploded"
        bomb = {"qz_conv1.weight": torch.zeros(1), "bomb": _Bomb(target)}
        torch.save(bomb, folder / "vae.pth", _use_new_zipfile_serialization=not legacy)
        with pytest.raises(CheckpointError, match="no code"):
            read(folder)
        assert not target.exists()
        torch.load(folder / "vae.pth", weights_only=False)
        assert target.exists(), "it was a bomb indeed"

    def test_a_plain_pickle_does_not_go_off(self, tmp_path: Path) -> None:
        folder = write_run(tmp_path / "run")
        (folder / "vae.pth").write_bytes(pickle.dumps(_Bomb(tmp_path / "exploded")))
        with pytest.raises(CheckpointError, match="no code"):
            read(folder)
        assert not (tmp_path / "exploded").exists()

    @pytest.mark.parametrize("length", [0, 1, 100, 3000, -1])
    def test_cut_short(self, tmp_path: Path, length: int) -> None:
        folder = write_run(tmp_path / "run")
        path = folder / "vae.pth"
        path.write_bytes(path.read_bytes()[:length])
        with pytest.raises(CheckpointError, match=r"vae\.pth must be a whole file"):
            read(folder)

    @pytest.mark.parametrize(
        "weights",
        [
            [torch.zeros(1)],
            torch.zeros(1),
            {"qz_conv1.weight": 1.0},
            {1: torch.zeros(1)},
            {"qz_conv1.weight": torch.zeros(1, dtype=torch.complex64)},
            {"qz_conv1.weight": torch.zeros(1, device="meta")},
            {"transformer.weight": torch.zeros(1)},
        ],
    )
    def test_of_something_else(self, tmp_path: Path, weights: object) -> None:
        with pytest.raises(CheckpointError, match=r"must hold tensors|is not one of the research code's"):
            read(write_run(tmp_path / "run", weights))

    @pytest.mark.parametrize("text", ["", "{", "[]", "3", "[" * 100_000, '{"name": "of another program"}', "\xff\xfe"])
    def test_config_of_something_else(self, tmp_path: Path, text: str) -> None:
        folder = write_run(tmp_path / "run")
        (folder / "config.json").write_text(text, encoding="latin-1")
        with pytest.raises(CheckpointError, match=r"config\.json must|flag \w+ must"):
            read(folder)

    def test_one_of_the_two_files(self, tmp_path: Path) -> None:
        (write_run(tmp_path / "a") / "vae.pth").unlink()
        (write_run(tmp_path / "b") / "config.json").unlink()
        for folder in find_runs(str(tmp_path)):
            with pytest.raises(CheckpointError, match="must lie beside"):
                read(folder)

    def test_runs_are_found_at_any_depth(self, tmp_path: Path) -> None:
        folders = [write_run(tmp_path / name) for name in ("a", "batch/b", "batch/deeper/c")]
        assert find_runs(str(tmp_path)) == folders
        assert find_runs(str(folders[0])) == folders[:1], "a run's own folder will do"
        (tmp_path / "empty").mkdir()
        for path in ("", str(tmp_path / "nowhere"), str(tmp_path / "empty")):
            with pytest.raises(DataError, match="path must"):
                find_runs(path)


@pytest.fixture
def binary_digits(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """The digits that ship with scikit-learn, where MNIST would be loaded; a likelihood rounds them."""
    from hit import data

    whole = data.load("digits")

    def load(name: str, root: str, device: torch.device) -> Dataset:
        if name not in ("mnist", "binary_mnist"):
            raise DataError(f"dataset {name!r}: not here")
        return whole.to(device)

    monkeypatch.setattr("hit.research_code.importer.load_once", load)
    return whole


class TestImport:
    def imported(self, tmp_path: Path, told: list[ImportResult] | None = None) -> dict[str, ImportResult]:
        machine = TrainConfig(metrics="core", device="cpu", threads=1, state_dir=str(tmp_path / "state"))
        folders = find_runs(str(tmp_path / "runs"))
        told = [] if told is None else told
        path = tmp_path / "store.db"
        uri = f"sqlite:///{path}" if path.exists() else new_database(path)
        results = import_runs(folders, machine, uri=uri, on_result=told.append)
        assert told == results
        return {result.folder.name: result for result in results}

    def test_the_good_ones_arrive_and_the_others_are_named(self, tmp_path: Path, binary_digits: Dataset) -> None:
        runs = tmp_path / "runs"
        write_run(runs / "good", beta_y=0.5)
        write_run(runs / "ladder", vae_type="LVAE")
        write_run(runs / "gumbel", qz_family="GumbelSoftmax")
        write_run(runs / "vector", linear_y_with_dims=8)
        for name, flag, value in (("laplace", "qz_family", "Laplace"), ("conv", "use_conv_z", True)):
            folder = write_run(runs / name)
            (folder / "config.json").write_text(json.dumps(FLAGS | {flag: value}))
        write_run(runs / "colour", {}, dataset="CIFAR10", px_y_family_ll="GaussianFixedSigma")
        write_run(runs / "other shapes", weights_of(TrainConfig(channels=8, z_dims=(5,))))
        incomplete = weights_of(translate_config(FLAGS))
        del incomplete["qz_mu.bias"]
        write_run(runs / "incomplete", incomplete)
        broken = {name: value * float("nan") for name, value in weights_of(translate_config(FLAGS)).items()}
        write_run(runs / "nan", broken)
        (write_run(runs / "cut") / "vae.pth").write_bytes(b"PK")

        results = self.imported(tmp_path)
        assert {name: result.status for name, result in results.items()} == {
            "good": ImportStatus.IMPORTED,
            "ladder": ImportStatus.IMPORTED,
            "gumbel": ImportStatus.IMPORTED,
            "vector": ImportStatus.IMPORTED,
            "laplace": ImportStatus.UNSUPPORTED,
            "conv": ImportStatus.DAMAGED,
            "colour": ImportStatus.NO_DATA,
            "other shapes": ImportStatus.DAMAGED,
            "incomplete": ImportStatus.DAMAGED,
            "nan": ImportStatus.DIVERGED,
            "cut": ImportStatus.DAMAGED,
        }
        for result in results.values():
            assert bool(result.reason) == (result.status != ImportStatus.IMPORTED)
            assert "\n" not in result.reason
        assert "cifar10" in results["colour"].reason
        assert "qz_family 'Laplace'" in results["laplace"].reason
        assert "with conv z_2" in results["conv"].reason
        assert "levels.1.heads.mean.bias" in results["incomplete"].reason

        history = Store(f"sqlite:///{tmp_path}/store.db").history()
        assert sorted(history["status"]) == ["FAILED", *["FINISHED"] * 4], "no run but of what was measured"

        again = self.imported(tmp_path)
        assert [again[name].status for name in ("good", "ladder", "nan")] == [ImportStatus.PRESENT] * 3
        assert len(Store(f"sqlite:///{tmp_path}/store.db").history()) == 5

        write_run(runs / "twin", beta_y=0.5)
        assert self.imported(tmp_path)["twin"].status == ImportStatus.IMPORTED, "of another name: another run"

    def test_an_imported_run_is_a_training_run(self, tmp_path: Path, binary_digits: Dataset) -> None:
        folder = write_run(tmp_path / "runs" / "good", beta_y=0.5)
        run_id = self.imported(tmp_path)["good"].run_id
        client = MlflowClient(f"sqlite:///{tmp_path}/store.db")
        run = client.get_run(run_id)
        config = translate_config(json.loads((folder / "config.json").read_text()))
        assert run.info.status == "FINISHED"
        assert run.data.tags[Tag.KIND] == Kind.TRAIN
        assert run.data.tags[Tag.IMPORTED] == "good"
        assert run.data.tags[Tag.CONFIG_HASH] == config.identity(binary_digits.digest)
        assert run.data.tags[Tag.GROUP] == config.group(binary_digits.digest)
        assert run.data.tags[Tag.DATA_DIGEST] == binary_digits.digest
        assert run.inputs.dataset_inputs[0].dataset.digest == binary_digits.digest
        assert TrainConfig.from_flat({**run.data.params, "metrics": "all"}).betas == (0.5, 1.3)
        assert run.data.metrics["beta_1"] == 0.5
        assert run.data.metrics["test/rate"] == pytest.approx(
            run.data.metrics["test/rate_1"] + run.data.metrics["test/rate_2"]
        )
        assert "model/weights.safetensors" in [file.path for file in client.list_artifacts(run_id, "model")]

    def test_grey_levels_are_evaluated_as_they_were_trained_on(
        self, tmp_path: Path, binary_digits: Dataset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Also where `hit.evaluate` measures the run again: what it is given is the run alone."""
        folder = write_run(tmp_path / "runs" / "grey", dataset="MNIST")
        run_id = self.imported(tmp_path)["grey"].run_id
        store = Store(f"sqlite:///{tmp_path}/store.db")
        measured = store.run(run_id).data.metrics

        config = read_config(folder)
        model = build_model(config, (1, 28, 28))
        model.load_state_dict(read_weights(folder, config))
        assert isinstance(binary_digits.test, Split)
        x = binary_digits.test.images.double() / 255
        with torch.no_grad():
            outcome = model.double()(x, sample=False)
            rounded = model(x.round(), sample=False)
        rate = outcome.rates[1].mean().item()  # that of the top layer needs no sample
        assert measured["test/rate_2"] == pytest.approx(rate, rel=1e-5)
        assert abs(rounded.rates[1].mean().item() / rate - 1) > 1e-3, "rounding would have been seen"
        squares = (x - outcome.output.sigmoid()).square().mean().item()
        assert measured["test/psnr"] == pytest.approx(-10 * math.log10(squares), rel=1e-5)
        assert "test/bound_holds_reconstruction" not in measured, "its levels do not add up to one"

        monkeypatch.setattr("hit.runs.evaluation_run.load_once", lambda *_: binary_digits)
        (candidate,) = candidates(store, "hit", run_id=run_id, groups={"latents"})
        machine = {"data_root": "", "device": "cpu", "threads": 1, "state_dir": str(tmp_path / "state")}
        evaluate_run(store, candidate, again=False, stop=StopRequest(), **machine)  # type: ignore[arg-type]
        again = store.run(run_id).data.metrics
        assert "test/pca_share_1_z2" in again
        assert again["test/rate_2"] == measured["test/rate_2"]

    def test_a_data_set_that_is_away_is_asked_for_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []

        def load(name: str, root: str, device: torch.device) -> Dataset:
            asked.append(name)
            raise DataError(f"dataset {name!r}: not here")

        monkeypatch.setattr("hit.research_code.importer.load_once", load)
        for name in "abc":
            write_run(tmp_path / "runs" / name)
        results = self.imported(tmp_path)
        assert asked == ["binary_mnist"]
        assert {result.status for result in results.values()} == {ImportStatus.NO_DATA}


class TestEntryPoint:
    def run(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
        uri = f"sqlite:///{tmp_path}/store.db"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
        words = ["--path", str(tmp_path / "runs"), "--metrics", "core", "--device", "cpu", "--threads", "1"]
        main([*words, "--state_dir", str(tmp_path / "state")], StopRequest())
        return MlflowClient(uri)

    def test_says_what_it_did(
        self,
        tmp_path: Path,
        binary_digits: Dataset,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        write_run(tmp_path / "runs" / "good")
        folder = write_run(tmp_path / "runs" / "bad")
        (folder / "vae.pth").write_bytes(b"")
        client = self.run(tmp_path, monkeypatch)
        said = capsys.readouterr()
        assert re.fullmatch(r"[0-9a-f]{32}\n", said.out), "its id and nothing else"
        own = client.get_run(said.out.strip())
        assert own.info.status == "FINISHED"
        assert own.data.tags[Tag.KIND] == Kind.IMPORT
        assert "import: of 2 runs, 1 imported, 1 damaged or foreign" in said.err
        assert [line for line in said.err.splitlines() if line.startswith(f"{folder}: vae.pth must be")]
        (child,) = Store().runs()
        assert child.data.tags[Tag.PARENT] == own.info.run_id
        self.run(tmp_path, monkeypatch)
        assert "1 already there, 1 damaged or foreign" in capsys.readouterr().err

    def test_nothing_imported_is_a_mistake(
        self, tmp_path: Path, binary_digits: Dataset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (write_run(tmp_path / "runs" / "bad") / "vae.pth").write_bytes(b"")
        with pytest.raises(UserError, match=r"none of the 1 runs .* could be imported: 1 damaged or foreign"):
            self.run(tmp_path, monkeypatch)
        (own,) = Store().runs(kind=Kind.IMPORT)
        assert own.info.status == "FAILED"


@pytest.mark.parametrize(
    ("name", "vae_type"),
    [
        ("ghvae_binary_mnist_bernoulli", "HVAE"),
        ("ghvae_binary_mnist_gumbel", "HVAE"),
        ("lvae_binary_mnist_bernoulli", "LVAE"),
    ],
)
def test_golden_weights_give_the_research_codes_numbers(
    golden: Path, mnist_root: Path, tmp_path: Path, name: str, vae_type: str
) -> None:
    numbers = np.load(golden / f"{name}.npz", allow_pickle=False)
    meta = json.loads(str(numbers["meta"]))
    flags = {"vae_type": vae_type, "dataset": meta["dataset"], "px_y_family_ll": meta["likelihood"]}
    flags |= {"conv_channels": meta["channels"], "z_dims": meta["z_dims"], "sigma": meta["sigma"]}
    flags |= {"beta_y": meta["beta_bottom"], "beta_z": meta["beta_top"], "qz_family": meta["posterior"]}
    weights = {key[2:]: torch.from_numpy(numbers[key]) for key in numbers.files if key.startswith("w.")}
    folder = write_run(tmp_path / "runs" / "golden", weights, **flags)

    uri = new_database(tmp_path / "store.db")
    machine = TrainConfig(
        data_root=str(mnist_root), metrics="core", device="cpu", threads=1, state_dir=str(tmp_path / "state")
    )
    (result,) = import_runs([folder], machine, uri=uri)
    assert result.status == ImportStatus.IMPORTED
    run = MlflowClient(uri).get_run(result.run_id)
    assert run.data.params["dataset"] == "binary_mnist"
    assert run.data.metrics["beta_2"] == meta["beta_top"]

    # The weights in the store are those of the golden file: they give its numbers on its images.
    from hit.training.checkpoints import load_weights

    config = TrainConfig.from_flat(run.data.params)
    model = build_model(config, (1, 28, 28))
    stored = MlflowClient(uri).download_artifacts(result.run_id, "model/weights.safetensors", str(tmp_path))
    load_weights(Path(stored), model, run.data.tags[Tag.CONFIG_HASH])
    with torch.no_grad():
        x = model.prepare(torch.from_numpy(numbers["x"]))
        outcome = model(x, sample=False, temperature=meta["gumbel_temperature"])
    assert outcome.rates[1].mean().item() == pytest.approx(float(numbers["rate_top"]), rel=1e-4)
    assert outcome.rates[0].mean().item() == pytest.approx(float(numbers["rate_bottom"]), rel=1e-4)
    assert -outcome.distortion.mean().item() == pytest.approx(float(numbers["log_likelihood"]), rel=1e-4)
