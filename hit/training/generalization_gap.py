"""How much more the rates of unseen images are than those of images that a model is trained on."""

__all__ = ["BATCH", "HeldOut", "held_out_noise", "hold_out", "likely_log_gap"]

from dataclasses import dataclass

import torch
from torch import Tensor

from hit.data import LabelledImages, batches
from hit.models import HierarchicalVAE
from hit.randomness import generator

#: The share of the training images that is held out, at most how many, and at least: fewer say too little.
SHARE, MOST, FEWEST = 0.1, 1000, 50
#: Images of a pass; their noise depends on it.
BATCH = 500


@dataclass(frozen=True)
class HeldOut:
    """A training set parted for a run whose rates are controlled.

    A model fits the posteriors of the images that it is trained on, so that the rates of others are higher, on small
    data sets by several per cent. A few training images are therefore left out of training, and tell by how much.

    Attributes:
        trained: indices into the training set of the images that are trained on.
        unseen: of those that are not; none where the data set is too small to spare any.
        seen: of those that are, at most five times as many, to compare with.
    """

    trained: Tensor
    unseen: Tensor
    seen: Tensor

    @torch.no_grad()
    def log_gap(
        self, model: HierarchicalVAE, train: LabelledImages, seed: int, sums: Tensor, *, shrunk: bool = False
    ) -> Tensor:
        """log(R_unseen / R_seen) of K sums of R_1 … R_L, (K,), float64; zeros where nothing is held out.

        Not what chance makes of so few images: see `likely_log_gap`.

        Args:
            model: as it is now.
            train: the whole training set.
            seed: of the noise.
            sums: which rates are in which sum, ones and zeros, (K, L), float64.
            shrunk: see `likely_log_gap`.
        """
        if not len(self.unseen):
            return torch.zeros(len(sums), dtype=torch.float64, device=train.device)
        unseen, seen = (_rates(model, train, indices, seed) @ sums.T for indices in (self.unseen, self.seen))
        return likely_log_gap(unseen, seen, shrunk=shrunk)


def hold_out(train: LabelledImages, seed: int) -> HeldOut:
    """Part a training set, at random by the seed: a tenth of it, at most 1,000 images, is not trained on."""
    order = torch.randperm(len(train), generator=generator("held out", seed))
    count = min(MOST, int(SHARE * len(train)))
    if count < FEWEST:
        count = 0
    unseen, trained = order[:count], order[count:]
    return HeldOut(trained, unseen, trained[: 5 * count])


def likely_log_gap(unseen: Tensor, seen: Tensor, *, shrunk: bool = False) -> Tensor:
    """log of the ratio of two samples' means; one below zero shrunk to what chance leaves of it.

    Some images hold more than others, so that two samples differ also where a model treats them alike, and they stay
    the same samples in every epoch. Rates of unseen images are higher where a model has fitted those that it saw, by
    several per cent; that they are lower is more likely chance: then the gap g of standard error s is shrunk by the
    positive part of James and Stein's factor, 1 − s² / g², which leaves one of many standard errors nearly as it is.

    Args:
        unseen, seen: rates an image, (N, K) and (M, K), float64.
        shrunk: one above zero, too. Of many layers some gap is always far from its mean by chance.

    Returns:
        (K,), zero where a mean is.

    >>> apart = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    >>> [likely_log_gap(factor * apart, apart).abs().item() for factor in (0.9, 1.0, 1.5)]
    [0.0, 0.0, 0.4054651081081644]
    """
    gap = (unseen.mean(0) / seen.mean(0)).log()
    variance = sum(sample.var(0) / len(sample) / sample.mean(0) ** 2 for sample in (unseen, seen))
    likely = gap * (1 - variance / gap**2).clamp_min(0.0)
    return gap.where((gap > 0) & (not shrunk), likely).nan_to_num(0.0, 0.0, 0.0)


def held_out_noise(seed: int, device: torch.device) -> torch.Generator:
    """Of the passes of one sample of held-out images, the same in every epoch."""
    return generator("held out noise", seed, device=device)


def _rates(model: HierarchicalVAE, train: LabelledImages, indices: Tensor, seed: int) -> Tensor:
    """R_1, …, R_L of each of these images, (N, L), float64, with noise by the seed."""
    noise = held_out_noise(seed, train.device)
    parts = []
    for images in batches(train, BATCH, indices.to(train.device)):
        x = model.prepare(images)
        parts.append(torch.stack(model(x, model.noise(len(x), noise)).rates, dim=1).double())
    return torch.cat(parts)
