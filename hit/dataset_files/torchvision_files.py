"""Which files torchvision's data sets are, and where it gets them, known without torchvision."""

__all__ = ["TORCHVISION_FILES", "TorchvisionFiles"]

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class TorchvisionFiles:
    """One data set; paths are relative to the data root.

    Attributes:
        needed: what is read.
        archives: what is downloaded, and may lie there already.
        urls: of which one must answer.
    """

    needed: tuple[str, ...]
    archives: tuple[str, ...]
    urls: tuple[str, ...]


def _idx(folder: str, *mirrors: str) -> TorchvisionFiles:
    kinds = ("images-idx3", "labels-idx1")
    files = tuple(f"{folder}/raw/{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in kinds)
    first = "train-images-idx3-ubyte.gz"
    return TorchvisionFiles(files, tuple(f"{file}.gz" for file in files), tuple(f"{one}{first}" for one in mirrors))


_SVHN = ("train_32x32.mat", "test_32x32.mat")
_BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta")

#: Name → files. A test holds them equal to what torchvision says.
TORCHVISION_FILES: Mapping[str, TorchvisionFiles] = {
    "mnist": _idx("MNIST", "https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/"),
    "fashion_mnist": _idx("FashionMNIST", "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"),
    "cifar10": TorchvisionFiles(
        tuple(f"cifar-10-batches-py/{batch}" for batch in _BATCHES),
        ("cifar-10-python.tar.gz",),
        ("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
    ),
    "svhn": TorchvisionFiles(_SVHN, _SVHN, ("http://ufldl.stanford.edu/housenumbers/train_32x32.mat",)),
}
