"""What happens to one member of a block: it is saved, goes on elsewhere, diverges or is taken out."""

import math
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch

from hit import data
from hit.config import TrainConfig
from hit.data import Split
from hit.errors import ConfigError, Interrupted
from hit.models import HierarchicalVAE, build_model
from hit.models.surface_model import SurfaceModel, condition_on_betas
from hit.training import fit
from hit.training.checkpoints import load_state, save_state
from hit.training.lockstep import LockstepTraining, Member, block_key
from hit.training.lockstep.layers import STRATEGIES
from hit.training.loop import Epoch
from hit.training.model_training import PlainTraining
from tests.benchmarks.leaning import Leaning, LeaningBeta

CONFIG = TrainConfig(channels=2, z_dims=(3,), epochs=3, batch_size=24, likelihood="gaussian", learning_rate=1e-3)
TARGETS = TrainConfig.from_flat(CONFIG.to_flat(), target_rate_1=5.0)


@pytest.fixture(scope="module")
def digits() -> Split:
    return Split(data.load("digits").train.images[:60])


def block(digits: Split, configs: list[TrainConfig], strategy: str = "one_by_one") -> LockstepTraining:
    return LockstepTraining(
        [Member(config, build_model(config, digits.shape)) for config in configs], digits, strategy=STRATEGIES[strategy]
    )


def close(one: HierarchicalVAE, other: HierarchicalVAE) -> None:
    for name, value in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value, rtol=1e-9, atol=1e-9)


def seeds(config: TrainConfig, count: int) -> list[TrainConfig]:
    return [replace(config, seed=seed) for seed in range(count)]


@pytest.mark.parametrize("config", [CONFIG, TARGETS])
def test_a_member_goes_on_alone_and_one_alone_in_a_block(digits: Split, tmp_path: Path, config: TrainConfig) -> None:
    path = tmp_path / "checkpoint.safetensors"
    first, second = seeds(config, 2)
    whole = block(digits, [first, second])
    for epoch in range(3):
        if epoch == 1:
            save_state(path, whole.state(1), epoch=1, identity="b")
        whole.run_epoch(epoch)
    alone = build_model(second, digits.shape)
    fitted = fit(alone, digits, second, checkpoint=path, identity="b")
    close(alone, whole.model(1))
    assert fitted.betas == pytest.approx(whole.final_betas(1), rel=1e-9)

    def stop_after_two(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise Interrupted(2)

    one = build_model(first, digits.shape)
    with pytest.raises(Interrupted):
        fit(one, digits, first, checkpoint=path.with_name("a"), on_epoch=stop_after_two)
    state, finished = load_state(path.with_name("a"), identity="")
    assert finished == 1
    again = block(digits, [replace(first, seed=7), first, replace(first, seed=8)])
    again.load_state(1, state)
    for epoch in range(finished, 3):
        again.run_epoch(epoch)
    close(again.model(1), whole.model(0))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_one_that_diverges_leaves_the_rest_as_they_are(digits: Split, strategy: str) -> None:
    good, bad, other = replace(TARGETS, seed=1), replace(TARGETS, learning_rate=1e12), replace(TARGETS, seed=2)
    healthy, mixed = block(digits, [good, other], strategy), block(digits, [good, bad, other], strategy)
    for epoch in range(2):
        expected, told = healthy.run_epoch(epoch), mixed.run_epoch(epoch)
        assert told[0] is not None
        assert told[2] is not None
        assert expected[0] is not None
        assert told[0].metrics["train/objective"] == pytest.approx(expected[0].metrics["train/objective"], rel=1e-5)
        assert math.isfinite(told[2].metrics["train/objective"])
        if epoch == 0:
            assert told[1] is not None
            assert str(told[1].diverged).startswith("the training objective is not finite in epoch 1 of 3 (")
        else:
            assert told[1] is None
    assert mixed.frozen == [False, True, False]


def test_one_that_is_frozen_stays_as_it_was(digits: Split) -> None:
    three = block(digits, seeds(TARGETS, 3))
    three.run_epoch(0)
    three.freeze(1)
    before = three.state(1)
    betas = three.final_betas(1)
    told = three.run_epoch(1)
    assert [one is None for one in told] == [False, True, False]
    assert all(torch.equal(value, before[name]) for name, value in three.state(1).items())
    assert all(torch.equal(value, before[f"model.{name}"]) for name, value in three.model(1).state_dict().items())
    assert three.final_betas(1) == betas


def test_a_smaller_block_goes_on_where_the_larger_was(digits: Split) -> None:
    whole, parted = block(digits, seeds(TARGETS, 3)), block(digits, seeds(TARGETS, 3))
    for epoch in range(3):
        whole.run_epoch(epoch)
        if epoch == 1:
            parted.freeze(0)
            parted = parted.without_frozen()
        parted.run_epoch(epoch)
    assert len(parted.members) == 2
    for index in range(2):
        close(parted.model(index), whole.model(index + 1))


def test_what_cannot_share_a_block_is_refused(digits: Split) -> None:
    with pytest.raises(ConfigError, match="members must share architecture"):
        block(digits, [CONFIG, replace(CONFIG, channels=3)])
    with pytest.raises(ConfigError, match="got none"):
        LockstepTraining([], digits)


def test_keys_of_blocks() -> None:
    same = [replace(CONFIG, seed=3), replace(CONFIG, learning_rate=0.1), replace(CONFIG, betas=(2.0, 1.0))]
    assert {block_key(config) for config in same} == {block_key(CONFIG)}
    other = [TARGETS, replace(CONFIG, epochs=4), replace(CONFIG, channels=3), replace(CONFIG, sigma=0.2)]
    assert len({block_key(config) for config in [CONFIG, *other]}) == 5


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_lower_precision_is_of_layers_alone(digits: Split, strategy: str) -> None:
    torch.set_default_dtype(torch.float32)  # autocast leaves double precision as it is
    config = replace(CONFIG, precision="bfloat16")
    alone, usual = build_model(config, digits.shape), build_model(config, digits.shape)
    rates = [fit(one, digits, of).metrics["train/rate"] for one, of in ((alone, config), (usual, CONFIG))]
    assert rates[0] == pytest.approx(rates[1], rel=0.05)
    assert rates[0] != pytest.approx(rates[1], rel=1e-6)
    one = block(digits, [config], strategy)
    for epoch in range(config.epochs):
        (told,) = one.run_epoch(epoch)
    assert told is not None
    assert told.metrics["train/rate"] == pytest.approx(rates[0], rel=0.05)
    assert told.metrics["train/rate"] != pytest.approx(rates[1], rel=1e-6)
    assert {value.dtype for value in one.model(0).state_dict().values()} == {torch.get_default_dtype()}


def test_surfaces_of_a_block_draw_and_weigh_by_policies_of_their_own(digits: Split) -> None:
    config = replace(CONFIG, learning_rate=3e-3)
    leanings = [Leaning(), Leaning(loss_power=0.3), Leaning(top_power=1.0, last_share=0.7)]

    def built() -> tuple[list[SurfaceModel], list[LeaningBeta]]:
        surfaces = [condition_on_betas(build_model(config, digits.shape)) for _ in leanings]
        return surfaces, [LeaningBeta(one, config, own, digits) for one, own in zip(leanings, surfaces, strict=True)]

    surfaces, policies = built()
    members = [Member(config, cast(HierarchicalVAE, surface)) for surface in surfaces]
    whole = LockstepTraining(members, digits, strategy=STRATEGIES["unfolded"], policies=policies)
    alone, own = built()
    plain = [PlainTraining(one, digits, config, policy) for one, policy in zip(alone, own, strict=True)]
    for epoch in range(3):
        if epoch == 1:  # a smaller block keeps its policies
            whole.freeze(0)
            whole = whole.without_frozen()
            plain = plain[1:]
        for told, one in zip(whole.run_epoch(epoch), plain, strict=True):
            assert told is not None
            expected = one.run_epoch(epoch, lambda: None, lambda: None)
            assert {name: told.metrics[name] for name in expected} == pytest.approx(expected, rel=1e-9)
    losses = [one.run_epoch(0, lambda: None, lambda: None)["train/objective"] for one in plain]
    assert losses[0] != pytest.approx(losses[1], rel=1e-3)
