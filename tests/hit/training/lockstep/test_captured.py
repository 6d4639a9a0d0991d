"""Steps on tensors that stay: what captures them, what falls back, and that `fit` gets its numbers from them."""

import gc
import logging
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from hit import data
from hit.config import TrainConfig
from hit.data import Split
from hit.errors import CheckpointError, Interrupted
from hit.models import build_model
from hit.models.surface_model import condition_on_betas
from hit.training import fit, model_training
from hit.training.beta_policies import FixedBeta
from hit.training.checkpoints import save_state
from hit.training.lockstep import LockstepTraining, Member
from hit.training.lockstep.captured import CapturedStep, warmed_up
from hit.training.lockstep.layers import STRATEGIES
from hit.training.loop import Epoch
from hit.training.model_training import PlainTraining, choose_training

CONFIG = TrainConfig(channels=2, z_dims=(3,), epochs=3, batch_size=24, likelihood="gaussian", learning_rate=1e-3)
TARGETS = TrainConfig.from_flat(CONFIG.to_flat(), target_rate_1=5.0, epochs=2, schedule="one_cycle")


@pytest.fixture(scope="module")
def digits() -> Split:
    return Split(data.load("digits").train.images[:60])


@pytest.fixture
def static(monkeypatch: pytest.MonkeyPatch) -> None:
    """`fit` takes the steps that a GPU captures."""
    monkeypatch.setattr(model_training, "capturable", lambda device: True)


class FakeGraphs:
    """torch.cuda on the CPU: a capture runs nothing, a replay runs the step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, state: list[Tensor], *, refuses: bool = False) -> None:
        self.captured: list[Any] = []
        self.replays = 0
        self.streams: list[Any] = []
        self.usual = FakeStream(torch.device("cpu"))
        fakes = {
            "Stream": lambda device: FakeStream(device),
            "current_stream": lambda: self.usual,
            "set_stream": self.streams.append,
            "stream": lambda stream: nullcontext(),
            "device": lambda device: nullcontext(),
            "synchronize": lambda: None,
            "CUDAGraph": lambda: FakeGraph(self),
            "graph": self._graph,
        }
        self._state, self._refuses = state, refuses
        for name, fake in fakes.items():
            monkeypatch.setattr(torch.cuda, name, fake)

    @contextmanager
    def _graph(self, graph: "FakeGraph", *, pool: Any, stream: Any, capture_error_mode: str) -> Iterator[None]:
        before = [tensor.clone() for tensor in self._state]
        yield
        for tensor, kept in zip(self._state, before, strict=True):
            tensor.copy_(kept)
        if self._refuses:
            raise RuntimeError("operation not permitted when stream is capturing\nand more")
        self.captured.append(pool)


class FakeStream:
    def __init__(self, device: torch.device) -> None:
        self.device = device

    def wait_stream(self, stream: Any) -> None:
        pass


class FakeGraph:
    def __init__(self, graphs: FakeGraphs) -> None:
        self._graphs = graphs

    def pool(self) -> str:
        return "pool"

    def replay(self) -> None:
        self._graphs.replays += 1


def test_a_step_is_captured_once_a_size_and_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    count = torch.zeros(1)
    graphs = FakeGraphs(monkeypatch, [count])
    step = CapturedStep([count])
    for size in (4, 4, 4, 2, 4, 2):
        step.take(count.add_, size)
    assert graphs.captured == [None, "pool"]
    assert graphs.replays == 6
    assert count == 0


def test_a_step_that_cannot_be_captured_is_taken_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    count = torch.zeros(1)
    graphs = FakeGraphs(monkeypatch, [count], refuses=True)
    step = CapturedStep([count])
    with caplog.at_level(logging.WARNING):
        for size in (4, 4, 2):
            step.take(count.add_, size)
    assert count == 10
    assert graphs.streams == [graphs.usual]
    assert [record.message for record in caplog.records] == [
        "steps are taken one kernel at a time, not as a CUDA graph: operation not permitted when stream is capturing"
    ]


@pytest.mark.parametrize("config", [CONFIG, TARGETS])
def test_warm_up_leaves_all_that_a_step_changes(digits: Split, config: TrainConfig) -> None:
    """Whatever a step changes is named as its state, or a capture would begin elsewhere."""
    two, other = (
        LockstepTraining(
            [
                Member(replace(config, seed=seed), build_model(replace(config, seed=seed), digits.shape))
                for seed in (0, 1)
            ],
            digits,
        )
        for _ in range(2)
    )
    static = two._step
    static._replayed.take = lambda step, size: (  # type: ignore[method-assign]
        warmed_up(step, size, static._replayed._state),
        step(size),
    )
    for epoch in range(2):
        assert [one.metrics["train/rate"] for one in two.run_epoch(epoch) if one] == [
            one.metrics["train/rate"] for one in other.run_epoch(epoch) if one
        ]
    assert all(torch.equal(value, other.state(1)[name]) for name, value in two.state(1).items())


class Reads(TorchDispatchMode):
    """Records operations that a capture refuses: what reads a number back, or brings one from the host."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "masked_select", "lift_fresh"):
            self.found.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    "own", [{"target_rate": 5.0}, {"model": "lvae", "likelihood": "mol", "precision": "bfloat16"}, {}]
)
def test_a_step_reads_nothing_back(digits: Split, strategy: str, own: dict[str, Any]) -> None:
    config = TrainConfig.from_flat(CONFIG.to_flat() | own)
    models: list[Any] = [build_model(config, digits.shape) for _ in range(2)]
    if not own:
        models = [condition_on_betas(model) for model in models]
    block = LockstepTraining([Member(config, model) for model in models], digits, strategy=STRATEGIES[strategy])
    take = block._step._replayed.take
    reads = Reads()

    def watched(step: Any, size: int) -> None:
        with reads:
            take(step, size)

    block._step._replayed.take = watched  # type: ignore[method-assign]
    block.run_epoch(0)
    assert reads.found == []


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_block_that_is_dropped_leaves_its_memory_at_once(digits: Split, strategy: str) -> None:
    """Nothing refers to itself in it: a graph's memory would wait for a collection."""
    members = [Member(CONFIG, build_model(CONFIG, digits.shape)) for _ in range(2)]
    block = LockstepTraining(members, digits, strategy=STRATEGIES[strategy])
    block.run_epoch(0)
    parts = [weakref.ref(part) for part in (block._step, block._layers, block._step._replayed)]
    gc.disable()
    try:
        del block
        assert [part() for part in parts] == [None] * 3
    finally:
        gc.enable()


@pytest.mark.usefixtures("static")
@pytest.mark.parametrize("config", [CONFIG, TARGETS])
def test_fit_has_the_numbers_of_plain_steps(digits: Split, config: TrainConfig, tmp_path: Path) -> None:
    model, epochs = build_model(config, digits.shape), []
    fitted = fit(model, digits, config, on_epoch=epochs.append)
    plain_model = build_model(config, digits.shape)
    plain = PlainTraining(plain_model, digits, config)
    for epoch in epochs:
        metrics = plain.run_epoch(epoch.number - 1, lambda: None, lambda: None)
        del epoch.metrics["train/seconds"]
        assert epoch.metrics == pytest.approx(metrics, rel=1e-9, abs=1e-9)
    assert fitted.betas == pytest.approx(plain.policy.final_betas, rel=1e-9)
    assert (fitted.controller is None) is (config is CONFIG)
    assert not model.training

    def stop(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise Interrupted(2)

    path = tmp_path / "checkpoint.safetensors"
    again = build_model(config, digits.shape)
    with pytest.raises(Interrupted):
        fit(again, digits, config, on_epoch=stop, checkpoint=path)
    again = build_model(replace(config, seed=9), digits.shape)
    assert fit(again, digits, config, checkpoint=path).metrics["train/rate"] == fitted.metrics["train/rate"]


@pytest.mark.usefixtures("static")
@pytest.mark.parametrize("config", [CONFIG, replace(CONFIG, model="lvae", epochs=6)])
def test_a_surface_has_the_numbers_of_plain_steps(digits: Split, config: TrainConfig) -> None:
    surfaces = [condition_on_betas(build_model(config, digits.shape)) for _ in range(2)]
    epochs: list[Epoch] = []
    fit(surfaces[0], digits, config, on_epoch=epochs.append)
    plain = PlainTraining(surfaces[1], digits, config)
    for epoch in epochs:
        metrics = plain.run_epoch(epoch.number - 1, lambda: None, lambda: None)
        del epoch.metrics["train/seconds"]
        assert epoch.metrics == pytest.approx(metrics, rel=1e-9, abs=1e-9)


@pytest.mark.usefixtures("static")
def test_what_is_not_captured_says_why(digits: Split, caplog: pytest.LogCaptureFixture) -> None:
    policy = FixedBeta(CONFIG)
    with caplog.at_level(logging.INFO):
        assert isinstance(choose_training(build_model(CONFIG, digits.shape), digits, CONFIG, policy), PlainTraining)
    assert "not as a CUDA graph: β are weighed by a policy of the caller's" in caplog.text


@pytest.mark.usefixtures("static")
def test_a_checkpoint_of_another_model_is_refused(digits: Split, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    save_state(path, {"model.weight": torch.zeros(1)}, epoch=1, identity="")
    with pytest.raises(CheckpointError, match="checkpoint must be of this model, got another"):
        fit(build_model(CONFIG, digits.shape), digits, CONFIG, checkpoint=path)
