"""How much more the rates of unseen images are than those of images that a model is trained on."""

__all__ = ["HeldOut", "hold_out"]

from dataclasses import dataclass

import torch
from torch import Tensor

from hit.data import LabelledImages, batches
from hit.models import HierarchicalVAE
from hit.randomness import generator

#: The share of the training images that is held out, at most how many, and at least: fewer say too little.
SHARE, MOST, FEWEST = 0.1, 1000, 50
_BATCH = 500


@dataclass(frozen=True)
class HeldOut:
    """A training set parted for a run that is steered by its rates.

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
    def log_gap(self, model: HierarchicalVAE, train: LabelledImages, seed: int) -> Tensor:
        """log(R_unseen / R_seen) of R_1 … R_L and of R, (L + 1,), float64; zeros where nothing is held out."""
        if not len(self.unseen):
            return torch.zeros(model.layers + 1, dtype=torch.float64, device=train.device)
        unseen, seen = (_rates(model, train, indices, seed) for indices in (self.unseen, self.seen))
        return (unseen / seen).log().nan_to_num(0.0, 0.0, 0.0)


def hold_out(train: LabelledImages, seed: int) -> HeldOut:
    """Part a training set, at random by the seed: a tenth of it, at most 1,000 images, is not trained on."""
    order = torch.randperm(len(train), generator=generator("held out", seed))
    count = min(MOST, int(SHARE * len(train)))
    if count < FEWEST:
        count = 0
    unseen, trained = order[:count], order[count:]
    return HeldOut(trained, unseen, trained[: 5 * count])


def _rates(model: HierarchicalVAE, train: LabelledImages, indices: Tensor, seed: int) -> Tensor:
    """Mean rates of these images, with noise by the seed: R_1, …, R_L, R."""
    noise = generator("held out noise", seed, device=train.device)
    sums = torch.zeros(model.layers, dtype=torch.float64, device=train.device)
    for images in batches(train, _BATCH, indices.to(train.device)):
        x = model.prepare(images)
        outcome = model(x, model.noise(len(x), noise))
        sums += torch.stack([rate.double().sum() for rate in outcome.rates])
    return torch.cat([sums, sums.sum().view(1)]) / len(indices)
