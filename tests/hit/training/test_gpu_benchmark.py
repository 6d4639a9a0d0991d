"""The benchmark of a GPU runs anywhere: its small form tells what the large one would."""

import json
from pathlib import Path

import pytest

from tests.benchmarks import gpu


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
