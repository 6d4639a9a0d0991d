"""The FID with the features of the Inception network, which is downloaded once and is no part of the project."""

__all__ = ["INCEPTION_NETWORK", "InceptionFid", "check_channels"]

import contextlib
import importlib.util
import os
import warnings
from collections.abc import Iterator

import torch
from torch import Tensor

from hit.dataset_files.network import patient
from hit.errors import ConfigError, Unavailable

#: Names the weights: those of the original FID, as torch-fidelity publishes them.
INCEPTION_NETWORK = "inception-2015-12-05-6726825d"
_FEATURES = 2048
_CHANNELS = (1, 3)
_BATCH = 64
_PATIENCE = 10.0  # seconds without a byte of the download


class InceptionFid:
    """The FID (https://arxiv.org/abs/1706.08500) by torchmetrics, from images that come in batches.

    Args:
        device: of the network and the sums.

    Raises:
        Unavailable: torch-fidelity is not installed, or the network's weights cannot be downloaded.
    """

    def __init__(self, device: torch.device) -> None:
        if importlib.util.find_spec("torch_fidelity") is None:
            raise Unavailable("FID with Inception features needs the package torch-fidelity; pip install -e '.[fid]'")
        from torchmetrics.image.fid import FrechetInceptionDistance  # takes seconds to import

        try:
            with _weights_only(), patient(_PATIENCE), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._fid = FrechetInceptionDistance(feature=_FEATURES).to(device)
        except Exception as error:  # whatever a download, a cache or a damaged file leads to
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise Unavailable(
                "FID with Inception features needs the network's weights, which torch-fidelity downloads into "
                f"$TORCH_HOME: {reason}"
            ) from None

    def update(self, images: Tensor, *, real: bool) -> None:
        """Add images, uint8, batch × C × H × W; grey ones are shown as RGB."""
        for part in images.expand(-1, 3, -1, -1).split(_BATCH):
            self._fid.update(part, real=real)

    def compute(self) -> float:
        """The distance between all real and all other images."""
        return max(0.0, float(self._fid.compute()))


def check_channels(channels: int) -> None:
    """Raise ConfigError unless the network can be shown images of so many channels."""
    if channels not in _CHANNELS:
        raise ConfigError(
            f"FID with Inception features needs images of 1 (grey) or 3 channels (RGB), got images of {channels}"
        )


@contextlib.contextmanager
def _weights_only() -> Iterator[None]:
    """torch-fidelity unpickles its download without protection unless torch is told so."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before
