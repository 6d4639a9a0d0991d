"""The settings of the tests' process, and where they find data that the project does not carry."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hit.processes.setup import ENVIRONMENT, THREAD_VARIABLES, show_lines

os.environ.update(ENVIRONMENT | os.environ)  # as a command's
# What the tests compute is too small to share. Two processes of tests on two cores, each with two threads of BLAS that
# spin, take several times as long. It is read when numpy and torch are loaded, so these come after.
for _variable in THREAD_VARIABLES:
    if _variable != "HIT_THREADS":  # which is an option of ours, and tested as such
        os.environ.setdefault(_variable, "1")

import torch  # noqa: E402

torch.set_num_threads(1)


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


@pytest.fixture
def lines() -> Iterator[None]:
    """What the packages log goes to stderr, as in a command."""
    with show_lines():
        yield
