"""One model for every β: it resumes, trades, and is stored right."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient

from hit import data
from hit.config import TrainConfig
from hit.data import Dataset, Split
from hit.errors import CheckpointError, Diverged, Interrupted
from hit.evaluation import Evaluation, evaluate_model
from hit.models import build_model
from hit.models.surface_model import SurfaceModel, condition_on_betas, fold
from hit.processes.stop import StopRequest
from hit.runs.training_run import RunProgress
from hit.schema import Kind, Tag
from hit.store import Store
from hit.surfaces.cells import TrainedSurface, load_surface
from hit.surfaces.plan import SURFACE_DEFAULTS, SurfacePlan
from hit.surfaces.resuming import resume_plan
from hit.surfaces.surface_run import surface_run
from hit.training.beta_sampling import ramp
from hit.training.checkpoints import load_weights, save_weights
from hit.training.loop import Epoch
from tests import trainings
from tests.stores import new_database
from tests.trainings import same_weights, without_time

SMALL = TrainConfig(channels=4, z_dims=(5,), epochs=4, batch_size=64, learning_rate=3e-3)


def small_digits(count: int = 200) -> Dataset:
    whole = data.load("digits")
    return Dataset(
        "digits",
        Split(whole.train.images[:count], whole.train.labels[:count]),
        Split(whole.test.images[:100], whole.test.labels[:100]),
        whole.classes,
    )


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return small_digits()


def train(
    digits: Dataset, config: TrainConfig, checkpoint: Path | None = None, stop_after: int = 0
) -> tuple[SurfaceModel, list[Epoch]]:
    model = condition_on_betas(build_model(config, digits.image_shape), seed=config.seed)
    return model, trainings.train(model, digits, config, checkpoint, stop_after)


class TestTraining:
    @pytest.mark.parametrize("stop_after", [1, 5, 8, 13])
    @pytest.mark.parametrize("model", ["ghvae", "lvae"])
    def test_an_interrupted_run_ends_as_an_uninterrupted_one(
        self, digits: Dataset, tmp_path: Path, stop_after: int, model: str
    ) -> None:
        """4 steps an epoch: stopped in the first epoch, in the middle of one, between two, and in the last."""
        config = TrainConfig.from_flat(SMALL.to_flat(), model=model)
        whole, epochs = train(digits, config)
        path = tmp_path / "checkpoint.safetensors"
        with pytest.raises(Interrupted):
            train(digits, config, path, stop_after)
        resumed, rest = train(digits, config, path)
        assert [epoch.number for epoch in rest] == list(range(stop_after // 4 + 1, 5))
        assert same_weights(whole, resumed)
        assert without_time(epochs)[-len(rest) :] == without_time(rest)

    @pytest.mark.parametrize("kernels", [1, 2, 3])
    def test_weights_are_read_back_with_as_many_kernels(self, digits: Dataset, tmp_path: Path, kernels: int) -> None:
        """One kernel is what older versions have, whose plans tell of none."""
        model = condition_on_betas(build_model(SMALL, digits.image_shape), kernels=kernels)
        saved = SurfacePlan(config=SMALL, grids={}, kernels=kernels).to_json()
        if kernels == 1:
            del saved["kernels"]
        plan = SurfacePlan.from_json(saved)
        save_weights(tmp_path / "w.safetensors", model, plan.identity(digits.digest))
        source = TrainedSurface(plan, tmp_path / "w.safetensors", "run", digits.digest)
        assert same_weights(load_surface(source, digits.shape, torch.device("cpu")), model)

    def test_divergence_ends_with_a_reason(self, digits: Dataset) -> None:
        config = replace(SMALL, likelihood="gaussian", learning_rate=1e12)
        with pytest.raises(Diverged, match=r"not finite in epoch \d of 4 .*β from 0\.08 to 12"):
            train(digits, config)

    def test_one_model_trades_rate_for_distortion_as_beta_asks(self) -> None:
        whole = small_digits(1000)
        config = replace(SMALL, epochs=8, learning_rate=1e-2)
        model, _ = train(whole, config)
        cheap, dear = (evaluate_model(fold(model, (beta, 1.0)), whole, (beta, 1.0)).metrics for beta in (0.1, 10.0))
        assert cheap["test/rate_1"] > 2 * dear["test/rate_1"] + 1
        assert cheap["test/distortion"] < dear["test/distortion"] - 5

    def test_rates_are_weighed_by_nothing_at_first_and_by_all_of_beta_soon(self) -> None:
        shares = [ramp(step, 200) for step in range(200)]
        assert shares[0] == 0
        assert shares == sorted(shares)
        assert shares[20:] == [1.0] * 180

    @pytest.mark.slow
    @pytest.mark.parametrize(("seed", "epochs"), [(0, 30), (1, 30), (2, 30), (3, 30), (0, 40)])
    def test_with_the_usual_settings_z_2_of_the_digits_does_not_collapse(self, seed: int, epochs: int) -> None:
        digits = data.load("digits")
        surface, _ = train(digits, TrainConfig.from_flat({**SURFACE_DEFAULTS, "seed": seed, "epochs": epochs}))
        found = evaluate_model(fold(surface, (1.0, 0.1)), digits, (1.0, 0.1)).metrics
        assert found["test/rate_2"] > 20


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One store for all tests: MLflow takes seconds to make one. Each test has an experiment of its own."""
    return new_database(tmp_path_factory.mktemp("store") / "store.db")


class TestStore:
    @pytest.fixture
    def plan(
        self, tmp_path: Path, digits: Dataset, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
    ) -> SurfacePlan:
        for module in ("surface_run", "cells"):
            monkeypatch.setattr(f"hit.surfaces.{module}.load_once", lambda *_: digits)
        config = replace(SMALL, epochs=2, metrics="core", state_dir=str(tmp_path / "state"))
        return SurfacePlan(config=config, grids={"grid_1": "0.1,10", "grid_2": "0.5"}, experiment=request.node.name)

    def test_a_parent_and_a_child_a_cell(
        self, plan: SurfacePlan, uri: str, digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("hit.surfaces.surface_run.COLLAPSED_BELOW", 1e9)  # as if no layer carried anything
        run_id = surface_run(plan, uri=uri)
        store, client = Store(uri), MlflowClient(uri)
        parent = store.run(run_id)
        assert parent.info.status == "FINISHED"
        assert parent.data.tags[Tag.KIND] == Kind.SURFACE
        assert parent.data.tags[Tag.CONFIG_HASH] == plan.identity(digits.digest)
        assert parent.data.tags[Tag.COLLAPSED] == "1,2"
        assert Tag.STATUS_REASON not in parent.data.tags
        assert parent.data.params["grid_1"] == "0.1,10"
        assert parent.data.params["beta_low"] == "0.08"
        assert not {"beta_1", "beta_2"} & (parent.data.params.keys() | parent.data.metrics.keys())
        assert parent.inputs.dataset_inputs[0].dataset.digest == digits.digest
        assert (parent.data.metrics["layers"], parent.data.metrics["classes"]) == (2, 10)
        steps = [point.step for point in client.get_metric_history(run_id, "train/rate_2")]
        assert sorted(steps) == [1, 2]

        cells = store.history(plan.experiment, where=f"tags.`{Tag.AMORTISED}` = '{run_id}'")
        assert list(zip(cells["beta_1"], cells["beta_2"], strict=True)) == [(0.1, 0.5), (10.0, 0.5)]
        assert set(cells["parent"]) == {run_id}
        assert set(cells["status"]) == {"FINISHED"}
        assert cells[["layers", "classes"]].to_numpy().tolist() == [[2, 10], [2, 10]]
        assert not set(cells["config_hash"]) & {cell.identity(digits.digest) for cell in plan.cells}
        assert {"test/rate_1", "test/rate_2", "test/elbo", "test/psnr"} <= set(cells.columns)

        # What the child's numbers say is what the surface's weights give, and its own weights are a plain model's.
        surface = condition_on_betas(build_model(plan.config, digits.image_shape))
        load_weights(store.download(run_id, "model/weights.safetensors", tmp_path), surface)
        expected = evaluate_model(fold(surface, (10.0, 0.5)), digits, (10.0, 0.5)).metrics
        assert cells["test/rate_1"].iloc[1] == pytest.approx(expected["test/rate_1"])
        plain = build_model(plan.cells[1], digits.image_shape)
        weights = store.download(cells["run_id"].iloc[1], "model/weights.safetensors", tmp_path / "child")
        load_weights(weights, plain, plan.cells[1].identity(digits.digest))
        found = evaluate_model(plain, digits, (10.0, 0.5)).metrics
        assert found["test/rate_1"] == pytest.approx(expected["test/rate_1"], rel=1e-6)

    def test_an_interrupted_surface_goes_on_cell_by_cell(
        self, plan: SurfacePlan, uri: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        stop = StopRequest()
        told: list[str] = []

        def on_progress(progress: RunProgress) -> None:
            told.append(progress.doing)
            if progress.doing == "cell 1 of 2":
                stop.request()

        with pytest.raises(Interrupted):
            surface_run(plan, uri=uri, stop=stop, on_progress=on_progress)
        assert told == ["training", "training", "cell 1 of 2"]
        store = Store(uri)
        (parent,) = store.runs(plan.experiment, kind=Kind.SURFACE)
        assert parent.info.status == "KILLED"
        before = store.history(plan.experiment)

        state_dir = plan.config.state_dir
        saved = resume_plan(parent.info.run_id, state_dir)
        assert saved == plan
        told.clear()
        assert surface_run(saved, uri=uri, run_id=parent.info.run_id, on_progress=lambda p: told.append(p.doing))
        assert told == ["cell 2 of 2"], "neither an epoch nor a finished cell is done twice"
        assert store.run(parent.info.run_id).info.status == "FINISHED"
        after = store.history(plan.experiment)
        assert list(after["status"]) == ["FINISHED", "FINISHED"]
        assert set(before["run_id"]) <= set(after["run_id"])
        assert after["end_time"].iloc[0] == before["end_time"].iloc[0], "the finished cell is left as it is"
        with pytest.raises(CheckpointError, match="resume must name a run that was interrupted"):
            resume_plan("0" * 32, state_dir)

    def test_a_collapse_needs_every_cell(self, plan: SurfacePlan, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Measured rates stand in: R_1 is dead at one β of two, R_2 at both."""
        rates = iter([(0.01, 0.02), (0.3, 0.049)])

        def measured(*arguments: object, **options: object) -> Evaluation:
            bottom, top = next(rates)
            return Evaluation({"test/rate_1": bottom, "test/rate_2": top})

        monkeypatch.setattr("hit.runs.measurement.evaluate_model", measured)
        assert Store(uri).run(surface_run(plan, uri=uri)).data.tags[Tag.COLLAPSED] == "2"
