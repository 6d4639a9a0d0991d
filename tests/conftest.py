"""The settings of the tests' process, and where they find data that the project does not carry."""

import gc
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from hit.processes.setup import ENVIRONMENT, THREAD_VARIABLES, show_lines

os.environ.update(ENVIRONMENT | os.environ)  # as a command's
# On every machine they compute on the CPU, where numbers are the same to the bit. The GPU has `tests.benchmarks.gpu`.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored under nohup, and commands leave it so
# What the tests compute is too small to share. Two processes of tests on two cores, each with two threads of BLAS that
# spin, take several times as long. It is read when numpy and torch are loaded, so these come after.
for _variable in THREAD_VARIABLES:
    if _variable != "HIT_THREADS":  # which is an option of ours, and tested as such
        os.environ.setdefault(_variable, "1")

import torch  # noqa: E402
from mlflow.tracking._tracking_service import utils as tracking_service  # noqa: E402

import tests.unsynced_sqlite  # noqa: E402, F401
from tests.backends import Backend, Backends  # noqa: E402
from tests.postgres import Postgres  # noqa: E402

torch.set_num_threads(1)

# The same examples in every run: a mistake that chance finds fails one who has made none. Others are tried by
# `pytest --hypothesis-profile=default`.
hypothesis.settings.register_profile("repeatable", derandomize=True, database=None)
hypothesis.settings.load_profile("repeatable")

#: Files that take longest, longest first: of several processes, each with whole files, one would end long after the
#: others if it began with one of these last.
_LONGEST = (
    "tests/sweeps/launchers/test_launchers.py",
    "tests/browser/test_mlflow_ui.py",
    "tests/hit/test_commands.py",
    "tests/browser/test_report_pictures.py",
    "tests/sweeps/launchers/test_slurm.py",
    "tests/sweeps/test_sweep.py",
    "tests/browser/test_report.py",
    "tests/analysis/test_walkthrough.py",
    "tests/browser/test_report_layout.py",
    "tests/hit/cli/test_console.py",
    "tests/analysis/test_documented_commands.py",
    "tests/test_docs.py",
    "tests/test_examples.py",
    "tests/browser/test_report_layers.py",
    "tests/hit/training/test_targeted_training.py",
    "tests/analysis/recommendation/test_optimum.py",
    "tests/sweeps/test_vector_runs.py",
    "tests/analysis/report/test_page.py",
    "tests/hit/metrics/test_regression_probes.py",
    "tests/test_inputs.py",
    "tests/sweeps/drivers/test_driver_contract.py",
    "tests/sweeps/scheduler/test_loop.py",
    "tests/sweeps/scheduler/test_by_hand.py",
    "tests/analysis/test_documented_python.py",
    "tests/analysis/test_commands.py",
)
#: Tests on a PostgreSQL or a tracking server (`tests.backends`), by what their ids hold.
_ON_A_SERVER = re.compile(r"[\[-](http|postgresql)[-\]]")


def pytest_configure(config: pytest.Config) -> None:
    """Let pytest-xdist take files in our order, not in that of how many tests they have."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_finish() -> None:
    """Let no collection of garbage look through all that was imported: hundreds of thousands of objects, each time."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Slow tests may take their time. Long files first, where several processes share the tests."""
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(1500))
    if "PYTEST_XDIST_WORKER" in os.environ:
        rank = {name: at for at, name in enumerate(["servers", *_LONGEST])}
        items.sort(key=lambda item: rank.get(_share(item.nodeid), len(rank)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Of several processes, each with whole files, one has all tests on servers: these are started once."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class OneProcessForServers(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return _share(nodeid)

    return OneProcessForServers(config, log)


def _share(nodeid: str) -> str:
    """What one process takes as a whole: the tests on servers, or else those of a file."""
    return "servers" if _ON_A_SERVER.search(nodeid) else nodeid.partition("::")[0]


def _folder(variable: str, what: str) -> Path:
    value = os.environ.get(variable, "")
    if not value or not Path(value).is_dir():
        pytest.skip(f"{what}: set {variable} to the folder that holds it")
    return Path(value)


@pytest.fixture(scope="session")
def golden() -> Path:
    """Folder of the research code's golden numbers."""
    return _folder("HIT_GOLDEN", "needs the golden numbers of the research code")


@pytest.fixture(scope="session")
def mnist_root() -> Path:
    """Data root that holds MNIST."""
    root = _folder("HIT_DATA", "needs MNIST")
    if not (root / "MNIST" / "raw").is_dir():
        pytest.skip(f"needs MNIST: $HIT_DATA ({root}) holds no MNIST/raw")
    return root


@pytest.fixture(scope="module", autouse=True)
def _no_store_of_the_process() -> Iterator[None]:
    """A test names a store in the environment: one set by `mlflow.set_tracking_uri` would outlive its test."""
    yield
    left, tracking_service._tracking_uri = tracking_service._tracking_uri, None
    assert left is None, f"a test of this file leaves MLflow's store set: {left}"


@pytest.fixture(scope="session")
def backends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backends]:
    """The stores that teams use; nothing is started before a test asks for it."""
    found = Backends(tmp_path_factory.mktemp("backends"))
    yield found
    found.close()


@pytest.fixture
def backend(
    request: pytest.FixtureRequest, backends: Backends, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Backend:
    """An empty store: an SQLite file, or what `ON_EVERY_BACKEND` says."""
    found = backends.backend(getattr(request, "param", "sqlite"), tmp_path)
    for name, value in (found.environment or {}).items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture(scope="session")
def postgresql(backends: Backends) -> Postgres:
    """A PostgreSQL, for databases of a test's own."""
    return backends.postgresql


@pytest.fixture
def lines() -> Iterator[None]:
    """What the packages log goes to stderr, as in a command."""
    with show_lines():
        yield
