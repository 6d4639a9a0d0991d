"""What a model takes of memory, told from its outline: the same networks without numbers."""

__all__ = ["step_bytes", "weight_bytes"]

import torch
from torch import Tensor

from hit.models.hierarchy import HierarchicalVAE

_IMAGES = 2


def weight_bytes(model: HierarchicalVAE) -> int:
    """Of all parameters."""
    return sum(parameter.nbytes for parameter in model.parameters())


def step_bytes(model: HierarchicalVAE, image_shape: tuple[int, ...]) -> int:
    """What a pass of one image keeps for the gradients, less than what a step takes.

    Args:
        model: on PyTorch's device `meta`, where tensors have shapes alone.
        image_shape: (C, H, W), or (D,) of vectors.
    """
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[id(storage)] = storage
        return tensor

    x = torch.empty(_IMAGES, *image_shape, device="meta")
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outcome = model(x, sample=False)
        sum(rate.sum() for rate in outcome.rates) + outcome.distortion.sum()
    weights = {id(parameter.untyped_storage()) for parameter in model.parameters()}
    return sum(storage.nbytes() for key, storage in kept.items() if key not in weights) // _IMAGES
