"""Random shifts and mirror images of a batch, drawn on the batch's device."""

__all__ = ["AUGMENTATIONS", "augment", "usual_augmentation"]

import torch
import torch.nn.functional as F
from torch import Tensor

#: What can be done to training images.
AUGMENTATIONS = ("none", "shift", "shift_flip")

#: Colour data whose classes survive a mirror; digits and letters do not, and nobody knows of a user's own images.
_MIRRORED = ("cifar10", "imagenet")


def usual_augmentation(name: str, channels: int) -> str:
    """What is usual for the data set called `name`: shifts, and flips too for named sets of natural images.

    >>> usual_augmentation("cifar10", 3), usual_augmentation("svhn", 3), usual_augmentation("mnist", 1)
    ('shift_flip', 'shift', 'shift')
    """
    return "shift_flip" if channels == 3 and name in _MIRRORED else "shift"


def augment(images: Tensor, kind: str, generator: torch.Generator) -> Tensor:
    """Each image shifted, and mirrored with probability ½, on its own.

    A shift is a random crop of the image padded with zeros: by an eighth of its shorter side for colour (4 of 32
    pixels, as in https://arxiv.org/abs/1512.03385), by a fourteenth for others (2 of 28 pixels):
    digits fill their images.

    Args:
        images: uint8, B×C×H×W.
        kind: one of `AUGMENTATIONS`.
        generator: on the images' device.

    Returns:
        uint8, B×C×H×W; `images` itself for "none".
    """
    assert kind in AUGMENTATIONS, kind
    if kind == "none":
        return images
    device, (batch, channels, height, width) = images.device, images.shape
    reach = min(height, width) // (8 if channels == 3 else 14)
    padded = F.pad(images, (reach, reach, reach, reach))
    corner = torch.randint(2 * reach + 1, (2, batch, 1), generator=generator, device=device)
    rows = corner[0] + torch.arange(height, device=device)
    columns = corner[1] + torch.arange(width, device=device)
    if kind == "shift_flip":
        mirrored = torch.rand(batch, 1, generator=generator, device=device) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    example = torch.arange(batch, device=device)[:, None, None]
    # Advanced indices around a slice put the sliced axis last: B×H×W×C.
    return padded[example, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
