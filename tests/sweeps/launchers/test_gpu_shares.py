"""Trainings share a GPU by the memory that the first of their kind took: what was measured is made up here."""

from dataclasses import replace
from pathlib import Path

import pytest

from hit.config import TrainConfig
from hit.errors import ConfigError
from hit.processes.memory import GpuMemory
from sweeps.launchers import check_launcher
from sweeps.launchers.gpu_shares import FILE, Gpus, GpuShares
from sweeps.spec.launch_options import RunningOptions

CONFIG = TrainConfig(channels=4, z_dims=(5,))
GIB = 2**30
ONE = Gpus("A100", 1)


@pytest.fixture
def shares(tmp_path: Path) -> GpuShares:
    return GpuShares(tmp_path / FILE)


def test_the_first_of_a_kind_takes_a_whole_gpu_and_the_others_what_it_showed(shares: GpuShares) -> None:
    assert shares.take("a", CONFIG, ONE) == 1.0
    assert shares.take("b", replace(CONFIG, seed=1), ONE) is None, "it waits for what the first one shows"
    assert shares.take("c", replace(CONFIG, channels=64), ONE) == 1.0, "of another kind"
    shares.end("a", GpuMemory(8 * GIB, 80 * GIB))
    assert shares.take("b", replace(CONFIG, seed=1, learning_rate=0.1), ONE) == 0.125  # 8 of 0.8 · 80 GiB
    assert shares.take("d", replace(CONFIG, channels=64), ONE) is None


def test_as_many_show_what_they_take_as_there_are_gpus(shares: GpuShares) -> None:
    there = Gpus("A100", 2)
    assert [shares.take(name, CONFIG, there) for name in "abc"] == [1.0, 1.0, None]
    shares.end("a", None)  # it failed, and shows nothing
    assert shares.take("c", CONFIG, there) == 1.0
    shares.end("b", GpuMemory(1 * GIB, 10 * GIB))
    assert shares.take("d", CONFIG, there) == 0.125
    shares.end("c", GpuMemory(9 * GIB, 10 * GIB))
    assert shares.take("e", CONFIG, there) == 0.125, "the first that was measured counts"


def test_what_was_measured_is_remembered_by_the_gpus_that_there_are(shares: GpuShares, tmp_path: Path) -> None:
    shares.take("a", CONFIG, ONE)
    shares.end("a", GpuMemory(9 * GIB, 10 * GIB))
    later = GpuShares(tmp_path / FILE)
    assert later.take("b", CONFIG, ONE) == 1.0
    assert later.take("c", CONFIG, ONE) == 1.0, "none waits: each is known to need all of it"
    assert later.take("d", CONFIG, Gpus("H100", 1)) == 1.0
    assert later.take("e", CONFIG, Gpus("H100", 1)) is None
    (tmp_path / FILE).write_text('{"A100": [')
    assert GpuShares(tmp_path / FILE).take("f", CONFIG, ONE) == 1.0


def test_a_model_on_the_cpu_takes_no_gpu(shares: GpuShares) -> None:
    assert shares.take("a", replace(CONFIG, device="cpu"), ONE) == 0.0
    shares.end("a", None)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"launcher": "pool"}, "share_gpus must be false unless launcher=ray, got true"),
        ({"launcher": "ray", "gpus_per_run": 0.5}, "gpus_per_run must be 0 with share_gpus=true, got 0.5"),
    ],
)
def test_what_does_not_go_together(options: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        check_launcher(RunningOptions(share_gpus=True, **options))  # type: ignore[arg-type]
