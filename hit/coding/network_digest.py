"""Whether networks compute here what they computed where a file was coded: a digest of one small pass."""

__all__ = ["Networks", "networks_here"]

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hit.coding.entropy_models import WindowedGaussians
from hit.coding.latent_grid import LatentGrid
from hit.coding.top_down import reproducible, reproducible_copy, top_down
from hit.distributions import Categorical, LatentDistribution
from hit.models import HierarchicalVAE

_IMAGES = 4
#: The decoder's numbers are told apart as finely as entropy models do.
_STEPS = 2.0**20


@dataclass(frozen=True)
class Networks:
    """What a pass of a fixed batch gave, and by what.

    Attributes:
        digest: of the parameters of all layers, and of the decoder's output, rounded as entropy models round them.
        torch: its version.
        cpu: the instructions that it uses.
    """

    digest: str
    torch: str
    cpu: str

    def __str__(self) -> str:
        return f"torch {self.torch} on {self.cpu}"


def networks_here(model: HierarchicalVAE, shape: tuple[int, int, int]) -> Networks:
    """Those of this process.

    Args:
        model: whose weights, too, decide the digest.
        shape: of its images.
    """
    coded = reproducible_copy(model)
    digest, grid = hashlib.sha256(), LatentGrid()

    def feed(numbers: np.ndarray) -> None:  # −0 counts as 0
        digest.update(np.ascontiguousarray(numbers + 0.0).tobytes())

    def choose(layer: int, prior: LatentDistribution, posterior: LatentDistribution | None) -> Tensor:
        assert posterior is not None
        models = grid.posterior(posterior, prior)
        if isinstance(models, WindowedGaussians):
            feed(models.mean)
            feed(models.std)
            return grid.points(models.middles, prior)
        assert isinstance(posterior, Categorical)
        feed(np.rint(posterior.probabilities.numpy() * _STEPS))
        return posterior.mean

    with reproducible():
        noise = hashlib.shake_128(b"images of a probe").digest(_IMAGES * int(np.prod(shape)))
        images = torch.from_numpy(np.frombuffer(noise, np.uint8).reshape(_IMAGES, *shape).copy())
        x = coded.likelihood.prepare(images).double()
        output = top_down(coded, _IMAGES, choose, coded.inference.evidence(x))
        feed(np.rint(output.numpy() * _STEPS))
    return Networks(digest.hexdigest()[:16], torch.__version__, torch.backends.cpu.get_cpu_capability())
