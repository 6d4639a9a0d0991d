"""The fixed split of data that come in one piece: four fifths to train on, stratified where there are classes."""

__all__ = ["split_in_two", "split_indices", "stratified_indices"]

import numpy as np
import torch
from torch import Tensor

from hit.data.dataset import Split
from hit.errors import DataError

_TEST_EVERY = 5
_SEED = 0


def split_in_two(images: Tensor, labels: Tensor | None) -> tuple[Split, Split]:
    """Training and test split of `images` (uint8, N×C×H×W) and `labels` (N, or None), by `split_indices`.

    Raises:
        DataError: fewer than two images.
    """
    train, test = split_indices(len(images), labels)
    if labels is None:
        return Split(images[train]), Split(images[test])
    return Split(images[train], labels[train]), Split(images[test], labels[test])


def split_indices(count: int, labels: Tensor | None) -> tuple[Tensor, Tensor]:
    """Indices of the training and of the test split: `stratified_indices` of classes.

    Without classes the same, as if all images were of one: every fifth of a fixed permutation is a test image.

    Raises:
        DataError: fewer than two images.
    """
    if count < 2:
        raise DataError(f"a training and a test split need two examples or more, got {count}")
    classes = labels is not None and not labels.is_floating_point()
    return stratified_indices(labels if labels is not None and classes else torch.zeros(count, dtype=torch.int64))


def stratified_indices(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of the training and of the test split, disjoint, in an order that mixes the classes.

    Every fifth image of the images shuffled and laid out class by class is a test image: each class
    of n images gives n/5 of them, rounded up or down, and all N give N/5, rounded up.

    Args:
        labels: int64, N.

    Returns:
        Two int64 tensors, the same for the same labels on every machine and with every release.
    """
    # RandomState's streams are frozen for good; those of numpy's Generator and of torch are not.
    order = np.random.RandomState(_SEED).permutation(len(labels))
    by_class = order[np.argsort(labels.numpy()[order], kind="stable")]
    is_test = np.zeros(len(labels), dtype=bool)
    is_test[by_class[::_TEST_EVERY]] = True
    return torch.from_numpy(order[~is_test[order]]), torch.from_numpy(order[is_test[order]])
