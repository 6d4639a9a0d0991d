"""How processes share the CPUs."""

import pytest

from hit import cpus
from hit.cpus import threads_of_each


@pytest.fixture(autouse=True)
def four_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpus, "available_cpus", lambda: 4)


@pytest.mark.parametrize(("workers", "threads"), [(1, 4), (2, 2), (3, 1), (8, 1)])
def test_they_divide_them(workers: int, threads: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert threads_of_each(workers) == threads
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("workers", "asked"), [(2, 2), (4, 1), (1, 16)])
def test_what_fits_is_taken_in_silence(workers: int, asked: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert threads_of_each(workers, asked) == asked
    assert capsys.readouterr().err == ""


def test_more_than_there_are_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert threads_of_each(4, 2) == 2
    assert "4 workers with threads=2 each are more than this machine's 4 CPUs" in capsys.readouterr().err
