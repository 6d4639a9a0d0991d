"""What a block is made of: measured where there is a GPU, remembered, and measured again where that cannot be read."""

from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
import torch

from hit import data
from hit.config import TrainConfig
from hit.data import Split
from hit.training.lockstep import choice, choose_block
from hit.training.lockstep.layers import STRATEGIES, Batches, OneByOne, StackedLayers

CONFIG = TrainConfig(channels=2, z_dims=(3,), epochs=1, batch_size=24, likelihood="gaussian")


@pytest.fixture(scope="module")
def digits() -> Split:
    return Split(data.load("digits").train.images[:60])


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A device that is measured; names of strategies as they are."""
    for name, answer in {
        "get_device_name": "Card",
        "mem_get_info": (10_000, 20_000),
        "empty_cache": None,
        "reset_peak_memory_stats": None,
        "memory_reserved": 0,
        "max_memory_reserved": 3000,
    }.items():
        monkeypatch.setattr(torch.cuda, name, lambda *device, answer=answer: answer)
    monkeypatch.setattr(choice, "is_measured", lambda device: True)
    asked: list[str] = []
    measure = choice._measured

    def watched(name: str, *arguments: object) -> object:
        asked.append(name)
        return measure(name, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(choice, "_measured", watched)
    return asked


def test_on_the_cpu_nothing_is_measured(digits: Split, tmp_path: Path) -> None:
    found = choose_block(CONFIG, digits, most=40, folder=tmp_path)
    assert (found.members, found.strategy) == (14, OneByOne)
    assert not list(tmp_path.iterdir())


def test_a_measurement_is_remembered(digits: Split, tmp_path: Path, measured: list[str]) -> None:
    folder = tmp_path / "state"
    found = choose_block(CONFIG, digits, most=3, folder=folder)
    assert measured == list(STRATEGIES)
    assert found.members == 3  # of 1,000 bytes each, 8 fit into 0.8 of 10,000
    assert choose_block(replace(CONFIG, seed=3), digits, most=3, folder=folder) == found
    assert len(measured) == len(STRATEGIES)
    (folder / choice.FILE).write_text("[[")
    choose_block(CONFIG, digits, most=3, folder=folder)
    assert len(measured) == 2 * len(STRATEGIES)
    choose_block(CONFIG, digits, most=1, folder=folder)
    assert len(measured) == 3 * len(STRATEGIES)


@pytest.mark.usefixtures("measured")
def test_a_way_that_fails_is_left_out_but_not_that_of_a_model_alone(
    digits: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CompilationError(Exception):
        pass

    def fail(self: StackedLayers, batches: Batches) -> NoReturn:
        raise CompilationError("no C compiler")

    for strategy in set(STRATEGIES.values()) - {OneByOne}:
        monkeypatch.setattr(strategy, "gradients", fail)
    assert choose_block(CONFIG, digits, most=2).strategy is OneByOne
    monkeypatch.setattr(OneByOne, "gradients", fail)
    with pytest.raises(CompilationError):
        choose_block(CONFIG, digits, most=2)
