"""The benchmark of a GPU runs anywhere: its small form tells what the large one would."""

import json
from pathlib import Path

import pytest

from tests.benchmarks import gpu, gpu_evaluation


def test_the_small_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "gpu.json"
    numbers = gpu.main(["--output", str(path), "--cpu"])
    assert json.loads(path.read_text()) == numbers
    for task in gpu.tasks(small=True):
        worst = numbers[f"{task.name}/differences"]
        assert isinstance(worst, dict)
        assert all(one < (1e-9 if name.endswith("float64") else 1e-4) for name, one in worst.items())
        assert {f"{task.name}/plain", f"{task.name}/captured/float32"} <= numbers.keys()
        assert any(name.startswith(f"{task.name}/lockstep/grouped/float32/") for name in numbers)
    told = capsys.readouterr().out.splitlines()
    assert len(told) == len(numbers)


def test_when_time_is_up_nothing_more_is_begun() -> None:
    numbers = gpu.main(["--output", "", "--cpu", "--seconds", "0"])
    assert list(numbers) == ["device"]


def test_the_small_form_of_the_evaluation_measures_all_and_finds_equal_numbers() -> None:
    numbers = gpu_evaluation.main(["--output", "", "--cpu"])
    for way in ("one_by_one", "grouped", "unfolded"):
        found = numbers[f"binary MNIST, small, latents kept/{way}/2"]
        assert isinstance(found, dict)
        assert found["differ"] < 1e-5
    information = numbers["binary MNIST, small/information/2"]
    assert isinstance(information, dict)
    assert information["ksg"] == 0
