"""One model for every β: it starts as the plain one, keeps examples apart, resumes, trades, and is stored right."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient

from hit import data
from hit.config import TrainConfig
from hit.config.rates.beta_grid import grid_axes
from hit.data import Dataset, Split
from hit.errors import CheckpointError, ConfigError, Diverged, Interrupted
from hit.evaluation import Evaluation, evaluate_model
from hit.models import HierarchicalVAE, Pass, build_model
from hit.models.surface_model import ModulatedLayer, SurfaceModel, condition_on_betas, fold
from hit.processes.stop import StopRequest
from hit.runs.training_run import RunProgress
from hit.schema import Kind, Tag
from hit.store import Store
from hit.surfaces.plan import SURFACE_DEFAULTS, SurfacePlan
from hit.surfaces.resuming import resume_plan
from hit.surfaces.surface_run import surface_run
from hit.training.beta_sampling import draw_betas, ramp
from hit.training.checkpoints import load_weights
from hit.training.loop import Epoch
from hit.training.objective import objective
from tests import trainings
from tests.stores import new_database
from tests.trainings import same_weights, without_time

GREY, COLOUR = (1, 28, 28), (3, 32, 32)
SMALL = TrainConfig(channels=4, z_dims=(5,), epochs=4, batch_size=64, learning_rate=3e-3)

CONFIGS = [
    pytest.param(TrainConfig.from_flat({"channels": 4, "z_dims": 5} | flat), shape, id=name)
    for name, flat, shape in [
        ("ghvae", {}, GREY),
        ("ghvae-4-layers", {"z_dims": "2,3,5", "likelihood": "gaussian"}, COLOUR),
        ("lvae", {"model": "lvae"}, GREY),
        ("lvae-3-layers", {"model": "lvae", "z_dims": "3,5"}, GREY),
        ("vae", {"model": "vae", "likelihood": "gaussian_learned"}, COLOUR),
        ("ghvae-conv-mol", {"latent": "conv", "likelihood": "mol", "channels": 2}, COLOUR),
        ("lvae-conv-3-layers", {"model": "lvae", "latent": "conv", "z_dims": "3,5"}, GREY),
        ("ghvae-mol-grey", {"likelihood": "mol"}, GREY),
        ("lvae-linear-mol", {"model": "lvae", "linear_z1": 6, "likelihood": "mol"}, COLOUR),
        ("ghvae-gumbel", {"posterior": "gumbel_softmax"}, GREY),
    ]
]


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


def perturb(model: SurfaceModel) -> SurfaceModel:
    """Heads as training leaves them: not zero."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, ModulatedLayer):
                last = module.head[-1].weight
                last += 0.3 * torch.randn(last.shape, generator=generator) / math.sqrt(last.shape[1])
    return model


def doubles(tensors: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(tensor.double() for tensor in tensors)


def assert_same(one: Pass, other: Pass, rows: slice = slice(None)) -> None:
    torch.testing.assert_close(one.distortion[rows], other.distortion)
    for rate, expected in zip(one.rates, other.rates, strict=True):
        torch.testing.assert_close(rate[rows], expected)


@pytest.mark.parametrize(("config", "shape"), CONFIGS)
class TestConditioning:
    @pytest.fixture
    def x(self, config: TrainConfig, shape: tuple[int, int, int]) -> torch.Tensor:
        images = torch.randint(0, 256, (4, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        return build_model(config, shape).prepare(images).double()

    @pytest.fixture
    def betas(self, config: TrainConfig) -> torch.Tensor:
        uniform = torch.rand(4, config.layers, generator=torch.Generator().manual_seed(1))
        return (math.log(0.08) + math.log(150) * uniform).exp().double()

    def noise(self, model: HierarchicalVAE | SurfaceModel) -> tuple[torch.Tensor, ...]:
        return doubles(model.noise(4, torch.Generator().manual_seed(2)))

    def test_it_starts_as_the_plain_model_at_any_beta(
        self, config: TrainConfig, shape: tuple[int, int, int], x: torch.Tensor, betas: torch.Tensor
    ) -> None:
        plain = build_model(config, shape).double()
        surface = condition_on_betas(build_model(config, shape)).double()
        noise = self.noise(plain)
        assert torch.equal(surface(x, betas, noise).output, plain(x, noise).output)
        assert_same(surface(x, betas, noise), plain(x, noise))

    def test_examples_of_other_betas_are_not_seen(
        self, config: TrainConfig, shape: tuple[int, int, int], x: torch.Tensor, betas: torch.Tensor
    ) -> None:
        surface = perturb(condition_on_betas(build_model(config, shape)).double())
        noise = self.noise(surface)
        whole = surface(x, betas, noise)
        for row in range(4):
            only = slice(row, row + 1)
            own_noise = tuple(part[only] for part in noise)
            assert_same(whole, surface(x[only], betas[only], own_noise), only)
            assert_same(whole, surface(x[only], betas[row], own_noise), only)
        shifted = surface(x, betas.roll(1, 0), noise)
        assert not torch.isclose(whole.distortion, shifted.distortion, rtol=1e-9, atol=0).any(), "β must matter"

    def test_the_model_read_off_is_plain_and_the_same(
        self, config: TrainConfig, shape: tuple[int, int, int], x: torch.Tensor, betas: torch.Tensor
    ) -> None:
        surface = perturb(condition_on_betas(build_model(config, shape)).double())
        before = {name: weight.clone() for name, weight in surface.state_dict().items()}
        noise = self.noise(surface)
        plain = fold(surface, betas[1].tolist())
        assert_same(plain(x, noise), surface(x, betas[1], noise))
        assert_same(plain(x, sample=False), surface(x, betas[1], sample=False))
        build_model(config, shape).double().load_state_dict(plain.state_dict(), strict=True)
        assert all(torch.equal(weight, before[name]) for name, weight in surface.state_dict().items())

    def test_every_layer_is_modulated_but_the_decoders_last(
        self, config: TrainConfig, shape: tuple[int, int, int]
    ) -> None:
        layers = (torch.nn.Conv2d, torch.nn.ConvTranspose2d, torch.nn.Linear)
        plain = [name for name, module in build_model(config, shape).named_modules() if isinstance(module, layers)]
        surface = condition_on_betas(build_model(config, shape))
        modulated = [name for name, module in surface.model.named_modules() if isinstance(module, ModulatedLayer)]
        assert set(plain) - set(modulated) == {plain[-1]}
        assert plain[-1].startswith("decoder.")
        outputs = surface.model.likelihood.outputs(shape[0])
        assert len(surface.model.get_submodule(plain[-1]).bias) == outputs

    def test_gradients_reach_every_head_after_one_step(
        self, config: TrainConfig, shape: tuple[int, int, int], x: torch.Tensor, betas: torch.Tensor
    ) -> None:
        wide = replace(config, channels=8)  # 4 channels may start with a ReLU that passes nothing
        surface = condition_on_betas(build_model(wide, shape)).double()
        optimiser = torch.optim.Adam(surface.parameters(), lr=1e-2)
        for _ in range(2):
            optimiser.zero_grad()
            objective(surface(x, betas, self.noise(surface)), betas).mean().backward()
            optimiser.step()
        still = [
            name
            for name, weight in surface.named_parameters()
            if ".head." in name and (weight.grad is None or not weight.grad.abs().sum() > 0)
        ]
        assert still == []


def test_a_condition_does_not_outlive_its_pass(digits: Dataset) -> None:
    surface = condition_on_betas(build_model(SMALL, digits.image_shape))
    x = surface.prepare(digits.test.images[:2])
    surface(x, torch.ones(2))
    with pytest.raises(AssertionError, match=r"inside SurfaceModel\.forward alone"):
        surface.model(x)
    with pytest.raises(RuntimeError):
        surface(x[:, :, :9], torch.ones(2))
    with pytest.raises(AssertionError, match=r"inside SurfaceModel\.forward alone"):
        surface.model(x)


def test_betas_are_log_uniform_over_the_range(digits: Dataset) -> None:
    surface = condition_on_betas(build_model(SMALL, digits.image_shape), beta_low=0.1, beta_high=10)
    source = torch.Generator().manual_seed(0)
    betas = torch.cat([draw_betas(100, 2, 0.1, 10, source) for _ in range(200)])
    assert 0.1 <= betas.min() < 0.101
    assert 9.9 < betas.max() <= 10.0001
    logs = betas.log10()
    assert logs.mean(0).tolist() == pytest.approx([0, 0], abs=0.002), "every batch is spread evenly"
    assert logs.std(0).tolist() == pytest.approx([2 / math.sqrt(12)] * 2, rel=0.02)
    assert abs(torch.corrcoef(logs.T)[0, 1]) < 0.03
    parts = ((logs[:100] + 1) / 2 * 100).floor().long()
    assert sorted(parts[:, 0].tolist()) == list(range(100)), "one example in every hundredth of the range"
    low = draw_betas(1000, 2, 0.1, 10, source, share=0.5)
    assert 0.99 < low.max() <= 1.0
    standardised = surface.standardised(betas)
    assert standardised.std(0).tolist() == pytest.approx([1, 1], rel=0.02)


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
    @pytest.mark.parametrize("seed", range(3))
    def test_with_the_usual_settings_z_2_of_the_digits_does_not_collapse(self, seed: int) -> None:
        digits = data.load("digits")
        surface, _ = train(digits, TrainConfig.from_flat({**SURFACE_DEFAULTS, "seed": seed}))
        found = evaluate_model(fold(surface, (1.0, 0.1)), digits, (1.0, 0.1)).metrics
        assert found["test/rate_2"] > 20


class TestPlan:
    @pytest.mark.parametrize(
        ("options", "fault"),
        [
            ({"beta_low": 2.0, "beta_high": 1.0}, "beta_low must be above 0 and below beta_high, got 2 and 1"),
            ({"grids": {"grid_1": "0.01:1:3"}}, r"grid_1 must lie within .* \(0\.08 … 12\), got 0\.01"),
            ({"grids": {"grid_2": "0,1"}}, r"grid_2 must lie within .*, got 0"),
            ({"grids": {"grid_3": "1,2"}}, "grid_3 needs a model of 3 layers or more, but L = 2"),
            ({"grids": {"grid_x": "1,2"}}, "unknown parameter 'grid_x'"),
            ({"grids": {"grid_1": "1:2"}}, "grid_1 must be low:high:count"),
        ],
    )
    def test_mistakes_are_one_line(self, options: dict[str, object], fault: str) -> None:
        with pytest.raises(ConfigError, match=fault) as caught:
            SurfacePlan(**{"config": SMALL, "grids": {}} | options)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)

    def test_a_cell_is_never_taken_for_a_trained_model(self) -> None:
        plan = SurfacePlan(config=SMALL, grids={"grid_1": "0.1,1", "grid_2": "1"})
        other = replace(plan, config=replace(SMALL, seed=1))
        cells = [plan.cell_tags(cell, "data", "run") for cell in plan.cells]
        trained = [(cell.identity("data"), cell.group("data")) for cell in plan.cells]
        assert len({tags[Tag.CONFIG_HASH] for tags in cells} | {identity for identity, _ in trained}) == 4
        assert len({tags[Tag.GROUP] for tags in cells} | {group for _, group in trained}) == 4
        replicate = other.cell_tags(other.cells[0], "data", "run")
        assert replicate[Tag.CONFIG_HASH] != cells[0][Tag.CONFIG_HASH]
        assert replicate[Tag.GROUP] == cells[0][Tag.GROUP]
        assert replace(plan, beta_high=11.0).identity("data") != plan.identity("data")

    def test_a_one_layer_model_has_no_second_axis(self) -> None:
        config = TrainConfig.from_flat({"model": "vae"})
        plan = SurfacePlan(config=config, grids=grid_axes({"grid_1": "1,2"}, layers=[1]))
        assert [cell.betas for cell in plan.cells] == [(1.0,), (2.0,)]
        older = plan.to_json() | {"grids": {"grid_1": "1,2", "grid_2": "0.1:10:4"}}
        assert SurfacePlan.from_json(older).cells == plan.cells, "as older versions wrote it"
        with pytest.raises(ConfigError, match="grid_2 needs a model of 2 layers or more"):
            SurfacePlan(config=config, grids={"grid_1": "1,2", "grid_2": "1,2"})


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
        assert evaluate_model(plain, digits, (10.0, 0.5)).metrics["test/rate_1"] == expected["test/rate_1"]

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
