"""Rate targets: the controller on plants that are known, and the training whose β it moves."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hit import data
from hit.config import TrainConfig
from hit.config.rates.rate_targets import BETA_HIGH, BETA_LOW, RateTarget, RateTargets
from hit.data import Dataset, Split
from hit.errors import ConfigError, Interrupted
from hit.evaluation import evaluate_model
from hit.models import HierarchicalVAE, build_model, check_fit
from hit.training import FitResult, fit
from hit.training.controller_plan import controller_plan
from hit.training.loop import Epoch
from hit.training.rate_controller import (
    RateController,
    initial_state,
    log_betas,
    next_state,
    pressures,
    saturated,
    strength,
)


def config(**flat: object) -> TrainConfig:
    return TrainConfig.from_flat({"channels": 4, "z_dims": 5, "batch_size": 64, **flat})


class Plant:
    """Rates that fall with β: log R_l → c_l − s_l log β_l + coupling · Σ log β of the others, with lag and noise."""

    def __init__(
        self, scales: list[float], slopes: list[float], coupling: float = 0.0, lag: float = 10.0, noise: float = 0.0
    ) -> None:
        self.scales = torch.tensor(scales, dtype=torch.float64).log()
        self.slopes = torch.tensor(slopes, dtype=torch.float64)
        self.coupling, self.lag, self.noise = coupling, lag, noise
        self.log_rates = self.scales.clone()
        self.generator = torch.Generator().manual_seed(0)

    def step(self, logs: Tensor) -> Tensor:
        """The rates of the next batch at these log β."""
        others = logs.sum() - logs
        rest = self.scales - self.slopes * logs + self.coupling * others
        self.log_rates = self.log_rates + (rest - self.log_rates) / self.lag
        jitter = self.noise * torch.randn(len(logs), generator=self.generator, dtype=torch.float64)
        return (self.log_rates + jitter).exp()


def run(asked: TrainConfig, plant: Plant, steps: int = 3000) -> tuple[RateController, list[Tensor]]:
    """Control the plant; the controller at the end, and the rates of every step."""
    controller = RateController(replace(asked, epochs=steps, warmup=False), 1)
    seen = []
    for step in range(steps):
        seen.append(plant.step(controller.betas.log()))
        controller.update(seen[-1], step, asked.batch_size)
    return controller, seen


def mean_of_last(rates: list[Tensor], count: int = 300) -> list[float]:
    return torch.stack(rates[-count:]).mean(0).tolist()


@settings(deadline=None, max_examples=12)
@given(
    scales=st.lists(st.floats(-1, 7), min_size=2, max_size=2),
    slopes=st.lists(st.floats(0.4, 1.5), min_size=2, max_size=2),
    moves=st.lists(st.floats(-1.5, 1.5), min_size=2, max_size=2),
    lag=st.floats(1, 30),
)
def test_rates_meet_their_targets_whatever_their_scale(
    scales: list[float], slopes: list[float], moves: list[float], lag: float
) -> None:
    """From a tenth of a nat to thousands, with the same gains; β ends where the plant's law says."""
    wanted = [math.exp(scale - slope * move) for scale, slope, move in zip(scales, slopes, moves, strict=True)]
    plant = Plant([math.exp(scale) for scale in scales], slopes, lag=lag, noise=0.03)
    controller, rates = run(config(target_rate_1=wanted[0], target_rate_2=wanted[1]), plant)
    assert mean_of_last(rates) == pytest.approx(wanted, rel=0.02)
    assert [math.log(beta) for beta in controller.resting_betas] == pytest.approx(moves, abs=0.1)


def test_coupled_layers_meet_their_targets_together() -> None:
    _, rates = run(config(target_rate_1=30, target_rate_2=10), Plant([20, 15], [0.8, 0.8], coupling=0.4, noise=0.02))
    assert mean_of_last(rates) == pytest.approx([30, 10], rel=0.02)


def test_any_subset_of_any_number_of_layers() -> None:
    asked = config(z_dims="4,5", target_rate_2=12, beta_1=0.5, beta_3=2)
    controller, rates = run(asked, Plant([20, 15, 8], [0.8, 0.8, 0.8]))
    assert mean_of_last(rates)[1] == pytest.approx(12, rel=0.01)
    assert controller.resting_betas[0::2] == pytest.approx((0.5, 2), rel=1e-12), "free layers keep their β"


def test_a_total_target_moves_all_free_betas_by_one_factor() -> None:
    controller, rates = run(config(target_rate=50, beta_1=0.5, beta_2=2), Plant([40, 30], [0.7, 0.7]))
    assert sum(mean_of_last(rates)) == pytest.approx(50, rel=0.01)
    assert controller.resting_betas[1] / controller.resting_betas[0] == pytest.approx(4)


def test_a_total_target_beside_one_of_a_layer() -> None:
    _, rates = run(config(target_rate=50, target_rate_2=10), Plant([40, 30], [0.7, 0.7], noise=0.02))
    assert mean_of_last(rates) == pytest.approx([40, 10], rel=0.02)


@pytest.mark.parametrize(("bound", "rates", "beta"), [(60, 40, 1.0), (20, 20, 2.0)])
def test_an_upper_bound_moves_beta_only_as_far_as_it_must(bound: float, rates: float, beta: float) -> None:
    controller, seen = run(config(max_rate_1=bound), Plant([40, 5], [1.0, 1.0]))
    assert mean_of_last(seen)[0] == pytest.approx(rates, rel=0.01)
    assert controller.resting_betas == pytest.approx((beta, 1.0), rel=0.02)


def test_an_upper_bound_of_the_total_beside_those_of_layers() -> None:
    controller, seen = run(config(max_rate_1=20, max_rate=40), Plant([40, 30], [1.0, 1.0]))
    rates = mean_of_last(seen)
    assert rates[0] <= 20.2
    assert sum(rates) == pytest.approx(40, rel=0.01)
    assert min(controller.resting_betas) >= 1


@given(rates=st.lists(st.floats(0, 1e30), min_size=1, max_size=60), strengths=st.lists(st.floats(0, 1), min_size=60))
@settings(deadline=None, max_examples=50)
def test_nothing_overflows_and_nothing_leaves_its_bounds(rates: list[float], strengths: list[float]) -> None:
    plan = controller_plan(config(target_rate_1=30, max_rate_2=0.1, target_rate=5000))
    state = initial_state(plan)
    for rate, now in zip(rates, strengths, strict=False):
        before = log_betas(plan, state, pulled=False)
        state = next_state(plan, state, torch.tensor([rate, rate]), now)
        for pulled in (True, False):
            logs = log_betas(plan, state, pulled=pulled)
            assert ((logs >= math.log(BETA_LOW) - 1e-9) & (logs <= math.log(BETA_HIGH) + 1e-9)).all()
        assert (log_betas(plan, state, pulled=False) - before).abs().max() <= 0.1 + 1e-9, "a bounded speed"


def test_a_target_of_a_group_moves_its_betas_by_one_factor() -> None:
    asked = config(z_dims="4,5,6", **{"target_rate_2-3": 40}, target_rate_1=15, beta_2=0.5)
    controller, rates = run(asked, Plant([20, 30, 20, 5], [0.8, 0.7, 0.7, 0.7]))
    found = mean_of_last(rates)
    assert [found[0], found[1] + found[2]] == pytest.approx([15, 40], rel=0.01)
    _, two, three, four = controller.resting_betas
    assert (three / two, four) == (pytest.approx(2), pytest.approx(1))


def test_beta_of_a_layer_moves_with_that_of_the_layer_below_it() -> None:
    """What parts two layers is the ratio of their β: both dead, it falls, where β in lockstep would leave it."""
    plan = controller_plan(config(z_dims="4,5,6", target_rate_2=10, target_rate_3=10, max_rate_4=9))
    state = initial_state(plan)
    for _ in range(100):
        state = next_state(plan, state, torch.tensor([5.0, 0.01, 0.01, 3.0]))
    logs = log_betas(plan, state, pulled=False)
    assert logs[2] - logs[1] == pytest.approx(logs[1].item(), rel=1e-6)
    assert logs[1] < 0
    assert (logs[0], logs[3]) == (0, 0), "no target, and a bound that is kept"


def test_the_loss_holds_exact_rates_at_their_targets() -> None:
    plan = controller_plan(config(z_dims="4,5,6", target_rate_1=10, max_rate_2=5, **{"target_rate_3-4": 8}))
    held = pressures(plan, initial_state(plan), torch.tensor([10.0, 50.0, 2.0, 2.0]))
    assert held.tolist() == pytest.approx([0, 0, math.log(0.5), math.log(0.5)])
    held = pressures(plan, initial_state(plan), torch.tensor([0.0, 0.0, 1e9, 0.0]))
    assert held.tolist() == pytest.approx([-1, 0, 1, 1]), "bounded, and nothing below an upper bound"
    late = pressures(plan, initial_state(plan), torch.tensor([0.0, 0.0, 1e9, 0.0]), share=1.0)
    assert late.tolist() == pytest.approx([-12, 0, 12, 12])


def test_what_was_out_of_reach_for_long_is_let_go_at_once() -> None:
    """After 20,000 steps at its bound, β leaves it as soon as it would after 2,000: nothing has wound up."""
    plan = controller_plan(config(target_rate_1=30))

    def steps_to_leave(stuck: int) -> int:
        state = initial_state(plan)
        for _ in range(stuck):
            state = next_state(plan, state, torch.tensor([1e-3, 1.0]))
        assert saturated(plan, state)[0] == BETA_LOW
        for step in range(1000):
            state = next_state(plan, state, torch.tensor([60.0, 1.0]))
            if log_betas(plan, state)[0] > 0.5 * math.log(BETA_LOW):
                return step
        raise AssertionError("never left")

    assert steps_to_leave(2_000) == steps_to_leave(20_000) < 150


def test_strength_begins_late_grows_fades_and_follows_the_step_size() -> None:
    assert [strength(step) for step in (0, 24, 49, 1000)] == pytest.approx([0.02, 0.5, 1, 1])
    assert [strength(step, begun=100) for step in (0, 99, 100, 149)] == pytest.approx([0, 0, 0.02, 1])
    assert [strength(1000, step_share=share) for share in (1, 0.2, 0.1, 0)] == pytest.approx([1, 1, 0.5, 0])
    assert [strength(step, steps=1000) for step in (500, 750, 1000)] == pytest.approx([1, 0.3**0.5, 0.3])
    assert [strength(1000, learning_rate=rate) for rate in (3e-4, 3e-3, 1e-2)] == pytest.approx([0.1, 1, 1])


def test_a_short_batch_counts_for_its_share() -> None:
    plan = controller_plan(config(target_rate_1=30))
    whole = next_state(plan, initial_state(plan), torch.tensor([20.0, 1.0]))
    halves = initial_state(plan)
    for _ in range(2):
        halves = next_state(plan, halves, torch.tensor([20.0, 1.0]), weight=0.5)
    assert torch.allclose(whole.errors, halves.errors)


class TestInfeasible:
    def test_too_low_and_too_high(self) -> None:
        controller, rates = run(config(target_rate_1=500, target_rate_2=10), Plant([20, 15], [0.2, 0.8]))
        one, two = mean_of_last(rates)
        said = controller.infeasible({"test/rate_1": one, "test/rate_2": two, "test/rate": one + two})
        assert said.startswith("target_rate_1=500 is missed by -74.8%: test/rate_1 is 126.2")
        assert said.endswith("with beta_1 at its bound of 0.0001")

    def test_of_the_total(self) -> None:
        controller, rates = run(config(max_rate=5), Plant([20, 15], [0.1, 0.1]))
        one, two = mean_of_last(rates)
        said = controller.infeasible({"test/rate_1": one, "test/rate_2": two, "test/rate": one + two})
        assert "max_rate=5 is missed by +178" in said
        assert "with every β that it moves at its bound of 10000" in said

    def test_a_target_that_is_met_is_none(self) -> None:
        controller, _ = run(config(target_rate_1=30), Plant([20, 15], [0.8, 0.8]))
        assert controller.infeasible({"test/rate_1": 30.1, "test/rate_2": 1, "test/rate": 31}) == ""
        assert controller.infeasible({"test/rate_1": 40, "test/rate_2": 1, "test/rate": 41}) == "", "β is at no bound"

    def test_a_target_that_is_missed_by_far_is_one_wherever_beta_is(self) -> None:
        controller, _ = run(config(target_rate_1=30), Plant([20, 15], [0.8, 0.8]))
        said = controller.infeasible({"test/rate_1": 3, "test/rate_2": 1, "test/rate": 4})
        assert said.startswith("target_rate_1=30 is missed by -90.0%: test/rate_1 is 3 nats with ")
        assert said.endswith(f"beta_1 within its bounds, at {controller.resting_betas[0]:.3g}")
        total, _ = run(config(target_rate=30), Plant([20, 15], [0.8, 0.8]))
        said = total.infeasible({"test/rate_1": 1, "test/rate_2": 1, "test/rate": 2})
        assert said.endswith("with every β that it moves within its bounds")

    def test_an_upper_bound_that_is_kept_by_far_is_none(self) -> None:
        controller, _ = run(config(max_rate_1=30), Plant([20, 15], [0.8, 0.8]))
        assert controller.infeasible({"test/rate_1": 3, "test/rate_2": 1, "test/rate": 4}) == ""


class TestTargets:
    def test_flat_and_back(self) -> None:
        asked = config(z_dims="4,5", target_rate_1="30", max_rate_3=2.5, max_rate="50", target_rate_2="")
        assert asked.targets == RateTargets((RateTarget(30), None, RateTarget(2.5, True)), RateTarget(50, True))
        assert TrainConfig.from_flat({name: str(value) for name, value in asked.to_flat().items()}) == asked

    def test_a_target_is_missed_by_more_than_five_per_cent_and_a_bound_only_from_above(self) -> None:
        asked = config(target_rate_1=10, max_rate_2=4, max_rate=12).targets
        found = {"test/rate_1": 9.4, "test/rate_2": 1.0, "test/rate": 10.4}
        assert asked.missed(found) == {"target_rate_1": pytest.approx(-0.06)}
        found = {"test/rate_1": 10.4, "test/rate_2": 4.3, "test/rate": 12.5}
        assert asked.missed(found) == {"max_rate_2": pytest.approx(0.075)}

    @pytest.mark.parametrize(
        ("flat", "line"),
        [
            ({"target_rate_1": "0"}, "target_rate_1 must be a finite number greater than 0, got '0'"),
            ({"max_rate": -3}, "max_rate must be a finite number greater than 0, got -3"),
            ({"target_rate_2": "inf"}, "target_rate_2 must be a finite number greater than 0, got 'inf'"),
            ({"target_rate_2": "nan"}, "target_rate_2 must be a finite number greater than 0, got 'nan'"),
            ({"target_rate_2": "ten"}, "target_rate_2 must be a number of nats or empty, got 'ten'"),
            ({"target_rate_3": 3}, "target_rate_3 needs a model of 3 layers or more, but L = 2, got 3"),
            ({"model": "vae", "max_rate_2": 3}, "max_rate_2 needs a model of 2 layers or more, but L = 1, got 3"),
            ({"target_rate_1": 3, "max_rate_1": 4}, "max_rate_1 must be empty where target_rate_1 is given, got 4"),
            ({"target_rate": 3, "max_rate": 4}, "max_rate must be empty where target_rate is given, got 4"),
            (
                {"target_rate_1": 3, "target_rate_2": 4, "target_rate": 9},
                "target_rate must be empty where every layer has a target_rate of its own, got 9",
            ),
            (
                {"target_rate_1": 30, "max_rate": 20},
                "max_rate must be greater than the sum of the layers' target rates (30), got 20",
            ),
            (
                {"target_rate_1": 3, "beta_1": 0},
                "beta_1 must be from 0.0001 to 10000 where a rate target moves it, got 0",
            ),
            (
                {"target_rate": 3, "beta_2": 1e5},
                "beta_2 must be from 0.0001 to 10000 where a rate target moves it, got 100000",
            ),
        ],
    )
    def test_a_mistake_is_one_line(self, flat: dict[str, object], line: str) -> None:
        with pytest.raises(ConfigError) as caught:
            TrainConfig.from_flat(flat)
        assert str(caught.value) == line

    def test_a_misspelt_target_is_told(self) -> None:
        with pytest.raises(ConfigError, match="did you mean 'target_rate_1'"):
            TrainConfig.from_flat({"taget_rate_1": 3})

    def test_more_than_the_images_can_hold(self) -> None:
        check_fit(config(target_rate_1=543), (1, 28, 28))
        check_fit(config(max_rate_1=1e6), (1, 28, 28))
        check_fit(config(target_rate_1=4000, likelihood="gaussian"), (1, 28, 28))
        with pytest.raises(
            ConfigError, match=r"target_rate_1 must be at most 543.4 nats, what 1×28×28 pixels of 2 lev"
        ):
            check_fit(config(target_rate_1=544), (1, 28, 28))

    def test_identity_tells_targets_apart_and_knows_nothing_of_none(self) -> None:
        plain = config().identity("d")
        assert config(target_rate_1="", max_rate=None).identity("d") == plain
        hashes = [config(**{name: 30}).identity("d") for name in ("target_rate_1", "max_rate_1", "target_rate")]
        assert len({plain, *hashes, config(target_rate_1=31).identity("d")}) == 5
        assert config(target_rate_1="3e1").identity("d") == hashes[0]
        assert config(target_rate_1=30).numbers()["target_rate_1"] == 30


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return data.load("digits")


def train(
    digits: Dataset, asked: TrainConfig, checkpoint: Path | None = None, stop_after: int = 0
) -> tuple[HierarchicalVAE, FitResult, list[Epoch]]:
    model = build_model(asked, digits.image_shape)
    epochs: list[Epoch] = []
    steps = iter(range(10**9))

    def check() -> None:
        if stop_after and next(steps) >= stop_after:
            raise Interrupted(15)

    fitted = fit(
        model,
        digits.train,
        asked,
        on_epoch=epochs.append,
        check=check,
        checkpoint=checkpoint,
        identity=str(asked),
    )
    return model, fitted, epochs


@pytest.mark.parametrize(
    "flat", [{"target_rate_1": 30}, {"target_rate": 25}, {"target_rate_1": 15, "model": "vae"}], ids=str
)
def test_a_short_training_ends_with_the_rates_that_were_asked_for(digits: Dataset, flat: dict[str, object]) -> None:
    asked = config(epochs=12, learning_rate=5e-3, schedule="one_cycle", **flat)
    model, fitted, _ = train(digits, asked)
    missed = asked.targets.relative_errors("test", evaluate_model(model, digits, fitted.betas).metrics)
    assert list(missed.values()) == pytest.approx([0], abs=0.15)


@pytest.mark.parametrize(
    ("flat", "stop_after"),
    [
        *(({"target_rate_1": 20, "max_rate_2": 3, "schedule": "one_cycle"}, stop) for stop in (3, 8, 13)),
        ({"target_rate": 20, "model": "lvae", "epochs": 5}, 8),
        ({"target_rate_2": 1, "posterior": "gumbel_softmax", "schedule": "cosine"}, 13),
    ],
    ids=str,
)
def test_a_resumed_run_with_targets_equals_an_uninterrupted_one(
    digits: Dataset, tmp_path: Path, flat: dict[str, object], stop_after: int
) -> None:
    """4 steps an epoch, the last one short."""
    assert_resumes(digits, tmp_path, config(**{"epochs": 4, "learning_rate": 3e-3, **flat}), 200, stop_after)


@pytest.mark.parametrize(
    "flat",
    [
        {"z_dims": "2,3,4,5", "target_rate_1": 6, "target_rate_2": 4, "target_rate_3-5": 4},
        {"model": "deep", "model.latents": "1x1x2,2x2x2,4x4x1", "target_rate_1": 6, "max_rate_2-3": 0.5},
    ],
    ids=["dense", "maps"],
)
def test_so_does_one_of_many_layers_with_groups_and_images_held_out(
    digits: Dataset, tmp_path: Path, flat: dict[str, object]
) -> None:
    """8 steps an epoch; the step size and what the loss presses with depend on the step."""
    asked = config(epochs=3, learning_rate=3e-3, schedule="cooldown", **{"channels": 2, **flat})
    controller = assert_resumes(digits, tmp_path, asked, 520, stop_after=13)
    assert controller.state.gaps.any()


def assert_resumes(digits: Dataset, tmp_path: Path, asked: TrainConfig, images: int, stop_after: int) -> RateController:
    """A training of the first images that is stopped goes on to the same end to the last bit; its controller."""
    part = Split(digits.train.images[:images], digits.train.labels[:images])
    few = Dataset("few", part, digits.test, digits.classes)
    whole, fitted, epochs = train(few, asked)
    path = tmp_path / "checkpoint.safetensors"
    with pytest.raises(Interrupted):
        train(few, asked, path, stop_after)
    resumed, again, rest = train(few, asked, path)
    assert again.betas == fitted.betas
    assert all(
        torch.equal(a, b) for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True)
    )
    for one, other in zip(epochs[-len(rest) :], rest, strict=True):
        assert one.metrics | {"train/seconds": 0} == other.metrics | {"train/seconds": 0}
    assert train(few, asked, path)[1].betas == fitted.betas, "what is evaluated after a kill is the same, too"
    assert again.controller is not None
    return again.controller


def test_the_betas_of_a_ladder_move_once_it_is_warm(digits: Dataset) -> None:
    few = Dataset("few", Split(digits.train.images[:200], digits.train.labels[:200]), digits.test, digits.classes)
    _, _, epochs = train(few, config(model="lvae", epochs=10, target_rate_1=20, beta_1=0.7))
    assert [epoch.metrics["train/beta_1"] for epoch in epochs[:2]] == pytest.approx([0, 0.35])
    assert epochs[2].metrics["train/beta_1"] != pytest.approx(0.7, abs=1e-3)
    assert epochs[-1].metrics["train/beta_2"] == 1


def test_every_epoch_tells_beta_and_the_relative_error(digits: Dataset) -> None:
    few = Dataset("few", Split(digits.train.images[:200], digits.train.labels[:200]), digits.test, digits.classes)
    _, _, (epoch,) = train(few, config(epochs=1, target_rate_2=7, max_rate=40))
    told = epoch.metrics
    assert told["train/rate_error_2"] == pytest.approx(told["train/rate_2"] / 7 - 1)
    assert told["train/rate_error"] == pytest.approx(told["train/rate"] / 40 - 1)
    assert "train/rate_error_1" not in told
