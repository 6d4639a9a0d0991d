"""A download leaves all or nothing, and only one process at a time downloads."""

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hit.data.dataset import Split
from hit.data.torchvision_sets.download import ensure
from hit.data.torchvision_sets.sources import Source
from hit.dataset_files import DataRoot
from hit.errors import DataError


def whole(path: Path) -> None:
    path.write_bytes(b"whole")


class Stub(Source):
    """Two files, made slowly by `make`."""

    def __init__(self, make: Callable[[Path], None]) -> None:
        self.fetched = 0
        self._make = make

    def files(self) -> tuple[str, ...]:
        return "stub/a", "stub/b"

    def archives(self) -> Mapping[str, str]:
        return {}

    def fetch(self, root: Path) -> None:
        self.fetched += 1
        (root / "stub").mkdir()
        (root / "stub/a").write_bytes(b"whole")
        self._make(root / "stub/b")

    def read(self, root: Path) -> tuple[Split, Split]:
        pytest.fail("a download reads nothing")


def test_several_at_once_download_once(tmp_path: Path) -> None:
    def slowly(path: Path) -> None:
        time.sleep(0.2)
        whole(path)

    source, start = Stub(slowly), threading.Barrier(4)

    def get(_: int) -> bytes:
        start.wait()
        ensure(source, DataRoot(tmp_path, "test"))
        return (tmp_path / "stub/b").read_bytes()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(get, range(4))) == [b"whole"] * 4
    assert source.fetched == 1


@pytest.mark.parametrize("end", [OSError("no space left"), KeyboardInterrupt()])
def test_a_download_that_ends_half_way(tmp_path: Path, end: BaseException) -> None:
    def half(path: Path) -> None:
        path.write_bytes(b"ha")
        raise end

    with pytest.raises(DataError if isinstance(end, OSError) else KeyboardInterrupt):
        ensure(Stub(half), DataRoot(tmp_path, "test"))
    assert not (tmp_path / "stub").exists()
    ensure(Stub(whole), DataRoot(tmp_path, "test"))
    assert (tmp_path / "stub/b").read_bytes() == b"whole"


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"data_root must be a folder, got the file .*/file \(test\)"):
        ensure(Stub(whole), DataRoot(tmp_path / "file", "test"))
