"""The entropy of a test set's images: the same whoever else measures it meanwhile."""

import math

import torch

from hit.data.dataset import Split
from hit.distributions import Bernoulli
from hit.evaluation.image_entropy import ImageEntropy


def test_two_passes_in_turn_count_all_images() -> None:
    images = torch.eye(4, dtype=torch.uint8).mul(255).view(4, 1, 2, 2)
    split = Split(images)
    x = images.float() / 255
    first, second = ImageEntropy(split, Bernoulli()), ImageEntropy(split, Bernoulli())
    second.add(x[:2])
    first.add(x)
    assert math.isclose(first.nats or 0.0, math.log(4), rel_tol=1e-6)
    second.add(x[2:])
    assert math.isclose(second.nats or 0.0, math.log(4), rel_tol=1e-6)
    assert math.isclose(ImageEntropy(split, Bernoulli()).nats or 0.0, math.log(4), rel_tol=1e-6)
