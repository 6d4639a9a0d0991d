"""What does not fit into memory is told by one line, before the run begins where that can be known."""

from pathlib import Path

import pytest
import torch

from hit.classifiers.training import fit_classifier
from hit.config import TrainConfig
from hit.errors import ConfigError, OutOfMemory
from hit.evaluation import evaluate_model
from hit.models import build_model, check_memory
from hit.models.build import _NUMBERS_A_PIXEL, _outline
from hit.models.memory_footprint import step_bytes, weight_bytes
from hit.processes.memory import GpuMemory, as_refusal, gpu_memory_taken, memory_is_told, memory_of
from hit.runs.measurement import find_scorers
from hit.training import fit

CPU = torch.device("cpu")
GREY = (1, 28, 28)
LARGE = [
    {"channels": 16_000, "z_dims": 1_000_000},
    {"linear_z1": 1_000_000, "channels": 4000},
    {"z_dims": ",".join(["1000000"] * 31)},
]


@pytest.mark.parametrize("flat", LARGE)
def test_a_model_that_no_machine_holds(flat: dict[str, object]) -> None:
    config = TrainConfig.from_flat(flat)
    with pytest.raises(ConfigError, match=r"must make a model that fits into the .* here, got [\d,]+ parameters"):
        build_model(config, GREY)


def test_a_model_that_is_no_larger_than_the_machine_can_be_built_but_not_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = TrainConfig()
    weights = sum(parameter.nbytes for parameter in build_model(config, GREY).parameters())
    assert weight_bytes(_outline(config, GREY)) == weights
    monkeypatch.setattr("hit.models.build.memory_of", lambda device: weights)
    check_memory(config, GREY, CPU)
    with pytest.raises(ConfigError, match="batches of 5 images"):
        check_memory(config, GREY, CPU, images=5)


def test_a_step_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainConfig(batch_size=1_000_000)
    monkeypatch.setattr("hit.models.build.memory_of", lambda device: 2**30)
    check_memory(config, GREY, CPU, images=1000)
    with pytest.raises(ConfigError, match="batches of 60000 images"):
        check_memory(config, GREY, CPU, images=60_000)


def test_the_outline_has_the_shapes_of_the_model() -> None:
    for flat in ({}, {"model": "lvae"}, {"model": "vae"}, {"latent": "conv"}, {"posterior": "gumbel_softmax"}):
        config = TrainConfig.from_flat(flat)
        outline = _outline(config, GREY)
        real = build_model(config, GREY)
        assert [p.shape for p in outline.parameters()] == [p.shape for p in real.parameters()]
        assert 4 * 28 * 28 * 16 <= step_bytes(outline, GREY) < 100 * 4 * 28 * 28 * 16


def test_what_a_step_keeps_is_below_what_lets_it_pass_without_a_look() -> None:
    """Of any size, also where padding or the likelihood takes more than the maps do."""
    for flat, shape in [
        ({"channels": 1, "likelihood": "mol"}, (3, 32, 32)),
        ({"channels": 2, "likelihood": "mol", "latent": "conv"}, (5, 17, 17)),
        ({"channels": 4, "likelihood": "gaussian", "latent": "conv", "z_dims": "3,5"}, (3, 9, 9)),
        ({"channels": 16, "model": "lvae", "likelihood": "gaussian", "latent": "conv"}, (2, 33, 33)),
        ({"channels": 16, "likelihood": "mol"}, (1, 8, 129)),
    ]:
        config = TrainConfig.from_flat(flat)
        outline = _outline(config, shape)
        widest = config.channels + outline.likelihood.outputs(shape[0])
        assert step_bytes(outline, shape) < 4 * _NUMBERS_A_PIXEL * widest * shape[1] * shape[2], (flat, shape)


def test_looking_at_the_outline_draws_no_number() -> None:
    before = torch.random.get_rng_state()
    check_memory(TrainConfig(channels=3), GREY, CPU, images=1)
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_machine_tells_its_memory() -> None:
    memory = memory_of(CPU)
    if Path("/proc/meminfo").exists():
        assert memory is not None
        assert memory > 2**28


def test_what_an_allocator_refuses_is_one_line() -> None:
    @memory_is_told
    def asks() -> None:
        torch.empty(2**60, dtype=torch.uint8)

    with pytest.raises(OutOfMemory, match=r"must fit into memory \(channels, .*\), .* too little for \d+ bytes"):
        asks()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "must fit into memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has …"), "for 2.00 GiB more"),
        (
            OSError(28, "No space left on device", "/full"),
            "the system refuses '/full': No space left on device",
        ),
        (PermissionError(13, "Permission denied"), "the system refuses: Permission denied"),
        (BrokenPipeError(), "the system refuses: BrokenPipeError"),
        (RuntimeError("shapes do not fit"), None),
        (KeyError("x"), None),
    ],
)
def test_what_is_refused_and_what_is_our_own_fault(error: Exception, said: str | None) -> None:
    refusal = as_refusal(error)
    assert (refusal is None) == (said is None)
    if said is not None:
        assert said in str(refusal)
        assert "\n" not in str(refusal)


def test_all_that_takes_memory_tells() -> None:
    for work in (build_model, fit, evaluate_model, find_scorers, fit_classifier):
        assert hasattr(work, "__wrapped__"), work


def test_what_a_process_takes_of_a_gpu_is_its_peak_and_what_cuda_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    assert gpu_memory_taken() is None
    for name, answer in {
        "is_initialized": True,
        "mem_get_info": (7_000, 10_000),
        "memory_reserved": 2_500,
        "max_memory_reserved": 4_000,
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda answer=answer: answer)
    assert gpu_memory_taken() == GpuMemory(4_500, 10_000)
