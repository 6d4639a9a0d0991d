"""Rate targets: the controller on plants that are known."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hit.config import TrainConfig
from hit.config.rates.rate_targets import BETA_HIGH, BETA_LOW
from hit.training.controller_plan import controller_plan
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
