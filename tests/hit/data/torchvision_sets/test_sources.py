"""torchvision's data sets: reading, damaged files, and downloads, from small stand-ins on a server of its own."""

import gzip
import hashlib
import os
import pickle
import socket
import struct
import tarfile
import threading
from collections.abc import Iterator, Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import savemat
from torchvision import datasets

from hit.data import load
from hit.data.torchvision_sets import download
from hit.dataset_files import network
from hit.errors import DataError

NOWHERE = "http://127.0.0.1:9/"  # the discard port: refuses at once
GREY = np.random.RandomState(0).randint(0, 256, (30, 28, 28)).astype(np.uint8)
COLOUR = np.random.RandomState(0).randint(0, 256, (30, 3, 32, 32)).astype(np.uint8)
LABELS = (np.arange(30) % 10).astype(np.uint8)
CUT = 20  # so many are for training


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def idx(array: Any) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


def mnist_files() -> dict[str, bytes]:
    return {
        "train-images-idx3-ubyte": idx(GREY[:CUT]),
        "train-labels-idx1-ubyte": idx(LABELS[:CUT]),
        "t10k-images-idx3-ubyte": idx(GREY[CUT:]),
        "t10k-labels-idx1-ubyte": idx(LABELS[CUT:]),
    }


def put(folder: Path, files: Mapping[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Say nothing: one test asserts that a download prints nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the URL at which its files are served."""
    folder = put(tmp_path / "server", {})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder))) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield folder, f"http://127.0.0.1:{http.server_port}/"
        finally:
            http.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches for the network, whatever it does."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(datasets.MNIST, "mirrors", [NOWHERE, NOWHERE])
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [NOWHERE])
    monkeypatch.setattr(datasets.CIFAR10, "url", f"{NOWHERE}cifar.tar.gz")
    parts = {part: [NOWHERE, *rest] for part, (_, *rest) in datasets.SVHN.split_list.items()}
    monkeypatch.setattr(datasets.SVHN, "split_list", parts)


@pytest.fixture
def serve_mnist(server: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    folder, url = server
    files = {f"{name}.gz": gzip.compress(content) for name, content in mnist_files().items()}
    monkeypatch.setattr(datasets.MNIST, "mirrors", [url])
    monkeypatch.setattr(datasets.MNIST, "resources", [(name, md5(content)) for name, content in files.items()])
    return put(folder, files)


@pytest.fixture
def serve_cifar(server: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    folder, url = server
    pixels = COLOUR.reshape(30, -1)

    def batch(part: slice) -> bytes:
        return pickle.dumps({"data": pixels[part], "labels": LABELS[part].tolist()}, protocol=2)

    files = {"data_batch_1": batch(slice(0, 10)), "data_batch_2": batch(slice(10, 20))}
    files |= {"test_batch": batch(slice(20, 30)), "batches.meta": pickle.dumps({"label_names": list("abcdefghij")})}
    sums = [[name, md5(content)] for name, content in files.items()]
    archive = folder / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(put(folder / "batches", files), "cifar-10-batches-py")
    monkeypatch.setattr(datasets.CIFAR10, "train_list", sums[:2])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", sums[2:3])
    monkeypatch.setattr(datasets.CIFAR10, "meta", datasets.CIFAR10.meta | {"md5": sums[3][1]})
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", md5(archive.read_bytes()))
    monkeypatch.setattr(datasets.CIFAR10, "url", url + archive.name)
    return folder


@pytest.fixture
def serve_svhn(server: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    folder, url = server
    parts = {}
    for part, cut in (("train", slice(0, CUT)), ("test", slice(CUT, 30))):
        path = folder / f"{part}_32x32.mat"
        digits = np.where(LABELS[cut] == 0, 10, LABELS[cut])  # SVHN writes the digit 0 as 10
        savemat(path, {"X": COLOUR[cut].transpose(2, 3, 1, 0), "y": digits[:, None]})
        parts[part] = [url + path.name, path.name, md5(path.read_bytes())]
    monkeypatch.setattr(datasets.SVHN, "split_list", parts)
    return folder


def refusal(name: str, root: Path | str = "") -> str:
    with pytest.raises(DataError) as caught:
        load(name, str(root))
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestReading:
    @pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
    def test_idx(self, root: Path, name: str, folder: str) -> None:
        put(root / folder / "raw", mnist_files())
        data = load(name, str(root))
        assert data.name == name
        assert data.classes == 10
        assert data.image_shape == (1, 28, 28)
        assert np.array_equal(data.train.images[:, 0].numpy(), GREY[:CUT])
        assert np.array_equal(data.test.labels.numpy(), LABELS[CUT:])

    def test_binary_mnist_is_mnist_rounded(self, root: Path) -> None:
        put(root / "MNIST/raw", mnist_files())
        grey, binary = load("mnist", str(root)), load("binary_mnist", str(root))
        assert torch.equal((grey.train.images / 255).round() * 255, binary.train.images.float())
        assert binary.test.images.unique().tolist() == [0, 255]
        assert grey.digest != binary.digest

    def test_root_comes_from_the_environment(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        put(root / "MNIST/raw", mnist_files())
        monkeypatch.setenv("HIT_DATA", str(root))
        assert len(load("mnist").train) == CUT
        assert "(data_root)" in refusal("mnist", root / "other")

    def test_default_root(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("HIT_DATA", raising=False)
        monkeypatch.chdir(tmp_path)
        put(tmp_path / "data/MNIST/raw", mnist_files())
        assert len(load("mnist").test) == 30 - CUT

    def test_what_is_there_is_only_read(self, root: Path) -> None:
        put(root / "MNIST/raw", mnist_files())
        before = sorted(root.rglob("*"))
        load("mnist", str(root))
        assert sorted(root.rglob("*")) == before  # no lock, no staging: the root may be read-only


class TestDamagedFiles:
    @pytest.mark.parametrize("name", mnist_files())
    @pytest.mark.parametrize("size", [0, 3, 6, 8, 16, -1])
    def test_idx_cut_short(self, root: Path, name: str, size: int) -> None:
        path = put(root / "MNIST/raw", mnist_files()) / name
        path.write_bytes(path.read_bytes()[:size])
        assert f"{path} is damaged: {path.stat().st_size:,} bytes do not fit" in refusal("mnist", root)

    def test_idx_too_long_or_something_else(self, root: Path) -> None:
        path = put(root / "MNIST/raw", mnist_files()) / "t10k-images-idx3-ubyte"
        good = path.read_bytes()
        for bad in (good + b"\0", idx(LABELS), b"<html>404 Not Found</html>", b"\0\0\x0a" + good[3:], idx(GREY[:0])):
            path.write_bytes(bad)
            assert f"{path} is damaged" in refusal("mnist", root)

    def test_idx_files_of_different_sets(self, root: Path) -> None:
        put(root / "MNIST/raw", mnist_files() | {"t10k-labels-idx1-ubyte": idx(LABELS)})
        assert "got 10 images and 30 labels" in refusal("mnist", root)

    @pytest.mark.parametrize("name", ["data_batch_2", "test_batch", "batches.meta"])
    def test_cifar_is_checked_before_it_is_unpickled(self, root: Path, serve_cifar: Path, name: str) -> None:
        load("cifar10", str(root))
        path = root / "cifar-10-batches-py" / name
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        assert f"{path} is damaged: its MD5 sum is not" in refusal("cifar10", root)

    def test_svhn(self, root: Path, serve_svhn: Path) -> None:
        load("svhn", str(root))
        path = root / "test_32x32.mat"
        path.write_bytes(path.read_bytes()[:100])
        assert f"{path} is damaged: its MD5 sum is not" in refusal("svhn", root)


class TestDownload:
    def test_mnist(self, root: Path, serve_mnist: Path, capfd: pytest.CaptureFixture[str]) -> None:
        data = load("mnist", str(root))
        assert np.array_equal(data.test.images[:, 0].numpy(), GREY[CUT:])
        assert sorted(path.name for path in root.rglob("*ubyte*")) == sorted(mnist_files())
        assert not (root / ".hit-download").exists()
        assert capfd.readouterr() == ("", "")  # no progress bar outside a terminal

    def test_cifar(self, root: Path, serve_cifar: Path) -> None:
        data = load("cifar10", str(root))
        assert np.array_equal(data.train.images.numpy(), COLOUR[:CUT])
        assert np.array_equal(data.test.labels.numpy(), LABELS[CUT:])
        assert data.train.images.is_contiguous()

    def test_svhn(self, root: Path, serve_svhn: Path) -> None:
        data = load("svhn", str(root))
        assert np.array_equal(data.train.images.numpy(), COLOUR[:CUT])
        assert np.array_equal(data.test.labels.numpy(), LABELS[CUT:])
        assert data.train.images.is_contiguous()

    def test_only_what_is_missing_is_replaced(self, root: Path, serve_mnist: Path) -> None:
        raw = put(root / "MNIST/raw", {"train-images-idx3-ubyte": idx(GREY[:CUT] // 2)})
        assert np.array_equal(load("mnist", str(root)).train.images[:, 0].numpy(), GREY[:CUT] // 2)
        assert {path.name for path in raw.iterdir()} == set(mnist_files())

    def test_an_archive_put_there_by_hand_needs_no_network(
        self, root: Path, serve_cifar: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(root, {"cifar-10-python.tar.gz": (serve_cifar / "cifar-10-python.tar.gz").read_bytes()})
        monkeypatch.setattr(datasets.CIFAR10, "url", f"{NOWHERE}cifar.tar.gz")
        assert len(load("cifar10", str(root)).train) == CUT

    def test_a_damaged_archive_is_left_alone(self, root: Path, serve_cifar: Path) -> None:
        archive = put(root, {"cifar-10-python.tar.gz": b"half an archive"}) / "cifar-10-python.tar.gz"
        assert len(load("cifar10", str(root)).train) == CUT
        assert archive.read_bytes() == b"half an archive"

    def test_a_wrong_file_on_the_server(self, root: Path, serve_mnist: Path) -> None:
        (serve_mnist / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(b"something else"))
        assert "cannot be downloaded: Error downloading t10k-images-idx3-ubyte.gz" in refusal("mnist", root)
        assert not list(root.rglob("*ubyte*"))  # all or nothing

    @pytest.mark.parametrize(
        ("name", "file"),
        [
            ("mnist", "MNIST/raw/train-images-idx3-ubyte"),
            ("binary_mnist", "MNIST/raw/train-images-idx3-ubyte"),
            ("fashion_mnist", "FashionMNIST/raw/train-images-idx3-ubyte"),
            ("cifar10", "cifar-10-batches-py/data_batch_1"),
            ("svhn", "train_32x32.mat"),
        ],
    )
    def test_offline(self, root: Path, name: str, file: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HIT_DATA", str(root))
        message = refusal(name)
        assert message.startswith(f"dataset {name!r}: {file} is not in {root} ($HIT_DATA) and cannot be downloaded: ")
        assert "Connection refused" in message
        assert "put it there, or set data_root or $HIT_DATA" in message

    def test_root_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        message = refusal("mnist", tmp_path / "file/below")
        assert f"is not in {tmp_path / 'file/below'} (data_root) and cannot be downloaded: [Errno" in message
        assert "data_root must be a folder, got the file" in refusal("mnist", tmp_path / "file")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
    def test_root_that_cannot_be_written(self, root: Path) -> None:
        root.mkdir()
        root.chmod(0o500)
        assert "Permission denied" in refusal("mnist", root)

    def test_a_server_that_says_nothing(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(network, "_ANSWERS", 0.1)
        monkeypatch.setattr(datasets.MNIST, "download", lambda self: pytest.fail("nobody is there"))
        with socket.create_server(("127.0.0.1", 0)) as server:
            url = f"http://127.0.0.1:{server.getsockname()[1]}/"
            monkeypatch.setattr(datasets.MNIST, "mirrors", [url])
            message = refusal("mnist", root)
        assert f"cannot be downloaded: no answer from {url[7:-1]}: timed out" in message
        assert socket.getdefaulttimeout() is None

    def test_a_server_that_answers_and_then_says_nothing(
        self, root: Path, serve_mnist: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As through a proxy that knows the name and cannot get there."""
        monkeypatch.setattr(download, "_PATIENCE", 0.1)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
            monkeypatch.setattr(download, "reach", lambda urls: None)
            monkeypatch.setattr(datasets.MNIST, "mirrors", [url])
            assert "timed out" in refusal("mnist", root)
        assert socket.getdefaulttimeout() is None

    def test_of_two_mirrors_one_is_enough(self, root: Path, serve_mnist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (url,) = datasets.MNIST.mirrors
        monkeypatch.setattr(datasets.MNIST, "mirrors", [NOWHERE, url])
        assert len(load("mnist", str(root)).train) == CUT

    def test_what_a_killed_process_left(self, root: Path, serve_mnist: Path) -> None:
        put(root / ".hit-download/MNIST/raw", {name: content[:9] for name, content in mnist_files().items()})
        assert np.array_equal(load("mnist", str(root)).train.images[:, 0].numpy(), GREY[:CUT])
