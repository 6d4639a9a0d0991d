"""The walk down a hierarchy that coders take: at every layer the prior, the posterior if the image is known, and z."""

__all__ = ["Choose", "descended", "reproducible", "reproducible_copy", "top_down"]

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from hit.distributions import LatentDistribution
from hit.models import HierarchicalVAE

#: (l, p(z_l|z_{l+1}), q(z_l|z_{l+1}, x) or None) → z_l
Choose = Callable[[int, LatentDistribution, LatentDistribution | None], Tensor]


def top_down(
    model: HierarchicalVAE,
    batch: int,
    choose: Choose,
    evidence: Sequence[Tensor | LatentDistribution] | None = None,
) -> Tensor:
    """What the decoder gives for latents that are chosen from the top down, z_L first.

    Args:
        model: as `reproducible_copy` makes it.
        batch: of images.
        choose: called once a layer, from L to 1, with distributions of the whole batch.
        evidence: `model.inference.evidence(x)`, where the images are known.

    Returns:
        Parameters of the likelihood, batch × outputs × H × W.
    """
    output: Tensor = model.decoder(descended(model, batch, choose, evidence))
    return output


def descended(
    model: HierarchicalVAE,
    batch: int,
    choose: Choose,
    evidence: Sequence[Tensor | LatentDistribution] | None = None,
) -> Tensor:
    """What the decoder sees of latents that are chosen as `top_down` says, which has its arguments."""
    weights = next(model.parameters())
    top = torch.zeros((batch, *model.latent_shapes[-1]), dtype=weights.dtype, device=weights.device)
    above: Tensor | None = None
    for layer in range(model.layers, 0, -1):
        given = None if above is None else model.priors[layer - 1](above)
        posterior = None if evidence is None else model.inference.posterior(layer, evidence[layer - 1], above, given)
        prior = model.top.standard(top) if given is None else given
        above = model.below(layer, above, choose(layer, prior, posterior))
    assert above is not None
    return above


def reproducible_copy(model: HierarchicalVAE) -> HierarchicalVAE:
    """A copy in float64 on the CPU, whose numbers another thread count or batch changes in the last digits at most.

    Entropy models round their parameters (`entropy_models`), so that these digits are dropped.
    """
    copied = copy.deepcopy(model).to("cpu", torch.float64).eval()
    return copied.requires_grad_(False)


@contextmanager
def reproducible() -> Iterator[None]:
    """One thread and no gradients: within it networks add up in one order. The number of threads comes back after."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            yield
    finally:
        torch.set_num_threads(threads)
