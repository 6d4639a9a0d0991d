"""Files of named data sets that are missing are told before torch is imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from hit.data.torchvision_sets.sources import SOURCES
from hit.dataset_files import check_files, presence
from hit.dataset_files.torchvision_files import TORCHVISION_FILES
from hit.errors import DataError


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(urls: object) -> None:
        raise OSError("no answer from there")

    monkeypatch.setattr(presence, "reach", silent)


def test_the_files_are_those_that_torchvision_names() -> None:
    assert TORCHVISION_FILES.keys() == SOURCES.keys()
    for name, files in TORCHVISION_FILES.items():
        source = SOURCES[name]
        assert (files.needed, files.archives, files.urls) == (source.files(), tuple(source.archives()), source.urls())


@pytest.mark.parametrize("name", ["mnist", "binary_mnist", "cifar10", "svhn", "imagenet"])
def test_what_is_missing_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"dataset '{name}': .* cannot be downloaded.* data_root or"):
        check_files(name, str(tmp_path))


def test_what_is_there_and_what_is_not_ours_by_name(tmp_path: Path) -> None:
    for file in TORCHVISION_FILES["mnist"].needed:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"")
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"")  # put there by hand: reading says whether it is whole
    for name in ("mnist", "binary_mnist", "cifar10", "digits", "mine.npz"):
        check_files(name, str(tmp_path))


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"dataset 'svhn': data_root must be a folder, got the file"):
        check_files("svhn", str(tmp_path / "file"))


def test_neither_torch_nor_mlflow_is_needed() -> None:
    code = "import sys, hit.train, hit.dataset_files; print(*{'torch', 'torchvision', 'mlflow'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not done.stdout.strip()
