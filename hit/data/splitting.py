"""The fixed split of data that come in one piece: stratified, four fifths to train on."""

__all__ = ["split_in_two", "stratified_indices"]

import numpy as np
import torch
from torch import Tensor

from hit.data.dataset import Split
from hit.errors import DataError

_TEST_EVERY = 5
_SEED = 0


def split_in_two(images: Tensor, labels: Tensor) -> tuple[Split, Split]:
    """Training and test split of `images` (uint8, N×C×H×W) and `labels` (int64, N), by `stratified_indices`.

    Raises:
        DataError: fewer than two images.
    """
    if len(labels) < 2:
        raise DataError(f"a training and a test split need two images or more, got {len(labels)}")
    train, test = stratified_indices(labels)
    return Split(images[train], labels[train]), Split(images[test], labels[test])


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
