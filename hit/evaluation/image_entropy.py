"""Entropy of the images of a test set, as a likelihood sees them: what no code of them undercuts on average."""

__all__ = ["ImageEntropy"]

from hashlib import blake2b
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from hit.data.labelled_images import LabelledImages
from hit.distributions import Bernoulli, Likelihood, MixtureOfLogistics
from hit.metrics import entropy

#: What is known of the splits that are in use, by what decides how images are prepared.
_KNOWN: WeakKeyDictionary[LabelledImages, dict[object, float]] = WeakKeyDictionary()
#: Likelihoods that prepare images by `discrete` alone.
_OURS = (Bernoulli, MixtureOfLogistics)


class ImageEntropy:
    """H of the empirical distribution of prepared images, which are told batch by batch.

    Of likelihoods of ours it is remembered as long as the split is there: many models are measured on it.

    Args:
        split: whose images they are.
        likelihood: that prepares them.
    """

    def __init__(self, split: LabelledImages, likelihood: Likelihood) -> None:
        self._discrete = likelihood.discrete
        self._digests: list[int] = []
        self._key = (type(likelihood), likelihood.discrete) if type(likelihood) in _OURS else None
        self._known = _KNOWN.setdefault(split, {})
        #: Decided once: another thread may come to know it while the images of this pass are told.
        self._collects = self._discrete and self._key not in self._known

    def add(self, x: Tensor) -> None:
        """Further images, prepared, batch × C × H × W."""
        if self._collects:
            self._digests += [int.from_bytes(blake2b(image.numpy(), digest_size=7).digest()) for image in x.cpu()]

    @property
    def nats(self) -> float | None:
        """Of all images together; None where the likelihood is not discrete."""
        if self._digests:
            found = entropy(torch.tensor(self._digests))  # the same number, the same image
            self._digests.clear()
            if self._key is None:
                return found
            self._known[self._key] = found
        return self._known.get(self._key) if self._discrete else None
