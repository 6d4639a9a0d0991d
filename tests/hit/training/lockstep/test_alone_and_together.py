"""Models that are trained together get the numbers that each gets alone."""

from collections.abc import Iterator
from functools import cache

import pytest
import torch

from hit import data
from hit.config import TrainConfig
from hit.data import Split
from hit.models import HierarchicalVAE, build_model
from hit.training import fit
from hit.training.lockstep import LockstepTraining, Member
from hit.training.lockstep.layers import STRATEGIES
from hit.training.loop import Epoch

_COMMON = {"channels": 2, "z_dims": 3, "epochs": 2, "batch_size": 24, "likelihood": "gaussian", "sigma": 0.5}
#: Three members each: other β, seeds, step sizes, schedules and rate targets.
_OWN = [
    {"seed": 1, "beta_1": 0.3, "learning_rate": 3e-3},
    {"seed": 2, "beta_1": 2.0, "learning_rate": 1e-3, "schedule": "one_cycle"},
    {"seed": 1, "beta_1": 0.1, "learning_rate": 2e-3, "schedule": "cosine"},
]
_TARGETS = [{"target_rate_1": 4.0}, {"target_rate_1": 6.0, "target_rate_2": 2.0}, {"max_rate": 5.0}]
_KINDS = {
    "ghvae": {},
    "conv": {"latent": "conv"},
    "lvae": {"model": "lvae", "epochs": 5},
    "lvae conv": {"model": "lvae", "latent": "conv", "warmup": False},
    "vae": {"model": "vae", "likelihood": "gaussian_learned"},
    "categories": {"posterior": "gumbel_softmax", "z_dims": "4,3"},
    "mixture": {"model": "lvae", "likelihood": "mol", "epochs": 1},
    "three layers": {"z_dims": "3,3", "epochs": 3},
    "deep": {
        "model": "deep",
        "likelihood": "bernoulli",
        "model.latents": "1x1x2,4x4x1",
        "model.start_ratio": 0.1,
    },
}


@pytest.fixture(scope="module")
def digits() -> Split:
    whole = data.load("digits").train
    return Split(whole.images[:60])


@pytest.fixture(autouse=True)
def _no_loops() -> Iterator[None]:
    """Where `vmap` knows no rule it would compute one model after the other."""
    torch._C._functorch._set_vmap_fallback_enabled(False)
    yield
    torch._C._functorch._set_vmap_fallback_enabled(True)


def configs(kind: dict[str, object], targets: bool) -> list[TrainConfig]:
    return [
        TrainConfig.from_flat({**_COMMON, **own, **kind, **(target if targets else {})})
        for own, target in zip(_OWN, _TARGETS, strict=True)
    ]


@cache
def alone(config: TrainConfig, digits: Split) -> tuple[HierarchicalVAE, list[Epoch]]:
    model, epochs = build_model(config, digits.shape), []
    fit(model, digits, config, on_epoch=epochs.append)
    return model, epochs


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("kind", "targets"),
    [
        *((kind, False) for kind in _KINDS if kind != "three layers"),
        *((kind, True) for kind in ("ghvae", "lvae", "three layers")),
    ],
)
def test_numbers_are_those_that_each_has_alone(digits: Split, kind: str, targets: bool, strategy: str) -> None:
    own = configs(_KINDS[kind], targets)
    block = LockstepTraining(
        [Member(config, build_model(config, digits.shape)) for config in own], digits, strategy=STRATEGIES[strategy]
    )
    told = [block.run_epoch(epoch) for epoch in range(own[0].epochs)]
    for index, config in enumerate(own):
        model, epochs = alone(config, digits)
        for epoch, together in zip(epochs, told, strict=True):
            one = together[index]
            assert one is not None
            assert one.number == epoch.number
            assert one.metrics.keys() == epoch.metrics.keys()
            one.metrics["train/seconds"] = epoch.metrics["train/seconds"]
            assert one.metrics == pytest.approx(epoch.metrics, rel=1e-9, abs=1e-9)
        for name, value in model.state_dict().items():
            torch.testing.assert_close(block.model(index).state_dict()[name], value, rtol=1e-9, atol=1e-9)
