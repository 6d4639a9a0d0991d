"""How processes share the CPUs."""

import logging

import joblib
import pytest

from hit.processes import cpus
from hit.processes.cpus import available_cpus, threads_of_each


@pytest.fixture
def four_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpus, "available_cpus", lambda: 4)


@pytest.mark.parametrize(("workers", "threads"), [(1, 4), (2, 2), (3, 1), (8, 1)])
@pytest.mark.usefixtures("four_cpus")
def test_they_divide_them(workers: int, threads: int, caplog: pytest.LogCaptureFixture) -> None:
    assert threads_of_each(workers) == threads
    assert caplog.messages == []


@pytest.mark.parametrize(("workers", "asked"), [(2, 2), (4, 1), (1, 16)])
@pytest.mark.usefixtures("four_cpus")
def test_what_fits_is_taken_in_silence(workers: int, asked: int, caplog: pytest.LogCaptureFixture) -> None:
    assert threads_of_each(workers, asked) == asked
    assert caplog.messages == []


@pytest.mark.usefixtures("four_cpus")
def test_more_than_there_are_is_told(caplog: pytest.LogCaptureFixture) -> None:
    assert threads_of_each(4, 2) == 2
    assert "4 workers with threads=2 each are more than this machine's 4 CPUs" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING


def test_a_containers_quota_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Affinity alone is all of the machine's CPUs in a container that may use one of them."""
    monkeypatch.setattr(joblib.externals.loky.backend.context, "_cpu_count_cgroup", lambda count: 1)
    assert available_cpus() == 1
