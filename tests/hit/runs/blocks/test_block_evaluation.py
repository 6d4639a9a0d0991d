"""Layers of latents measured by other processes, while one model after the other has the device."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from hit.config import TrainConfig
from hit.distributions import DiagonalGaussian
from hit.errors import Interrupted
from hit.errors.run_outcomes import RunOutcome
from hit.evaluation.latent_plots import LatentWork, save_scatter
from hit.evaluation.latents import Layer, MeasuredLayer, label_information, measure_latents
from hit.processes.attempts import Job, Outcome, attempt
from hit.processes.stop import StopRequest
from hit.runs.blocks import block_evaluation
from hit.runs.blocks.block_evaluation import measure_all, processes_beside


def layer(number: int, gaussian: bool = True) -> Layer:
    draw = torch.Generator().manual_seed(number)
    means = torch.randn(60, 3, generator=draw)
    if not gaussian:
        chosen = torch.nn.functional.one_hot(means.argmax(1), 3).float()
        return Layer(number, False, 2.0, chosen, None, chosen)
    return Layer(number, True, 3.0, means, DiagonalGaussian(means, torch.full_like(means, 0.5)), means + 0.1)


LABELS = torch.arange(60) % 3


class Pool:
    """Does each job at once; the first one dies if it is to."""

    dies = False

    def __init__(self, workers: int, threads: int) -> None:
        self.free = workers
        self._said: list[Outcome] = []

    def submit(self, job: Job) -> None:
        lost = self.dies and job.identity == "1"
        said = Outcome(job, RunOutcome.LOST) if lost else attempt(job, StopRequest(), lambda outcome: None)
        self._said.append(said)

    def outcomes(self, timeout: float) -> Iterator[Outcome]:
        said, self._said = self._said, []
        yield from said

    def stop(self, hurried: Callable[[], bool]) -> list[Outcome]:
        return []


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> type[Pool]:
    monkeypatch.setattr(block_evaluation, "WorkerPool", Pool)
    return Pool


def test_other_processes_measure_what_this_one_would(pool: type[Pool]) -> None:
    known = replace(layer(4), information=label_information(layer(4), LABELS))
    layers = [layer(1), layer(2), layer(3, gaussian=False), known]
    found: dict[int, MeasuredLayer] = {}

    def work(one: Layer, latents: LatentWork) -> None:
        found[one.number] = latents.measure(one, LABELS, 3)

    for _, come in measure_all([partial(work, one) for one in layers], processes=1, stop=StopRequest()):
        come()
    for one in layers:
        expected = measure_latents(one, LABELS, 3)
        assert found[one.number].metrics == expected.metrics
        assert (found[one.number].projection.coordinates == expected.projection.coordinates).all()
        assert found[one.number].projection.shares == expected.projection.shares
    assert found[4].metrics == measure_latents(layer(4), LABELS, 3).metrics, "whoever measures the information"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("measure")]


def test_other_processes_draw_what_this_one_would(pool: type[Pool], tmp_path: Path) -> None:
    projections = {one: measure_latents(layer(one), None, 0).projection for one in (1, 2)}

    def work(latents: LatentWork) -> None:
        assert latents.draw(projections, LABELS, tmp_path / "a.png") == tmp_path / "a.png"

    for _, come in measure_all([work], processes=1, stop=StopRequest()):
        come()
    expected = save_scatter(projections, LABELS, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == expected.read_bytes()


def test_one_has_the_device_at_a_time_and_what_goes_wrong_is_its_own(
    pool: type[Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "dies", True)
    having, most = 0, 0
    expected = measure_latents(layer(1), None, 0)
    monkeypatch.setattr(block_evaluation, "measure_latents", lambda *arguments: expected)

    def work(index: int, latents: LatentWork) -> None:
        nonlocal having, most
        for _ in range(2):
            having += 1
            most = max(most, having)
            having -= 1
            assert latents.measure(layer(1), None, 0).metrics == {}
        if index == 1:
            raise ValueError("of its own")

    ends: dict[int, str] = {}
    works = [partial(work, index) for index in range(4)]
    for index, come in measure_all(works, processes=3, stop=StopRequest()):
        try:
            come()
            ends[index] = ""
        except ValueError as error:
            ends[index] = str(error)
    assert ends == {0: "", 1: "of its own", 2: "", 3: ""}
    assert most == 1


@pytest.mark.parametrize("processes", [0, 2])
def test_who_is_asked_to_stop_leaves_no_thread(pool: type[Pool], processes: int) -> None:
    stop = StopRequest()

    def work(latents: LatentWork) -> None:
        stop.request(2)

    with pytest.raises(Interrupted):
        [come() for _, come in measure_all([work] * 3, processes=processes, stop=stop)]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("measure")]


def test_processes_stand_beside_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainConfig()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 16)
    assert processes_beside(config, torch.device("cuda"), 8) == 16
    assert processes_beside(config, torch.device("cpu"), 8) == 0
    assert processes_beside(config, torch.device("cuda"), 1) == 0
    assert processes_beside(TrainConfig(metrics="core"), torch.device("cuda"), 8) == 0
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert processes_beside(config, torch.device("cuda"), 8) == 0
