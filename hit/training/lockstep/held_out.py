"""The gaps between unseen and seen images of many models at once: `hit.training.generalization_gap` of one."""

__all__ = ["log_gaps"]

from collections.abc import Sequence

import torch
from torch import Tensor

from hit.data import Split
from hit.models import HierarchicalVAE
from hit.training.generalization_gap import BATCH, HeldOut, held_out_noise, likely_log_gap
from hit.training.lockstep.layers import StackedLayers


@torch.no_grad()
def log_gaps(
    parts: Sequence[HeldOut],
    layers: StackedLayers,
    train: Split,
    seeds: Sequence[int],
    sums: Tensor,
    shrunk: Sequence[bool],
) -> Tensor:
    """log(R_unseen / R_seen) of K sums of R_1 … R_L of M models, M × K, float64 (`HeldOut.log_gap`).

    Args:
        parts: the training set as each model sees it.
        layers: the models as they are now.
        train: the whole training set.
        seeds: of each model's noise.
        sums: which rates are in which sum, M × K × L, float64.
        shrunk: of each model, whether chance is taken off gaps above zero, too (`likely_log_gap`).
    """
    if not len(parts[0].unseen):
        return torch.zeros(sums.shape[:2], dtype=torch.float64, device=train.device)
    samples = [
        _rates(torch.stack([getattr(part, which) for part in parts]), layers, train, seeds) @ sums.mT
        for which in ("unseen", "seen")
    ]
    gaps = [likely_log_gap(unseen, seen, shrunk=both) for unseen, seen, both in zip(*samples, shrunk, strict=True)]
    return torch.stack(gaps)


def _rates(places: Tensor, layers: StackedLayers, train: Split, seeds: Sequence[int]) -> Tensor:
    """R_1, …, R_L of each model's images, M × N × L, float64; places: M × N."""
    models: tuple[HierarchicalVAE, ...] = layers.models  # type: ignore[assignment]
    sources = [held_out_noise(seed, train.device) for seed in seeds]
    parts = []
    for chosen in places.to(train.device).split(BATCH, 1):
        x = models[0].prepare(train.images.index_select(0, chosen.flatten()))
        drawn = [model.noise(chosen.shape[1], source) for model, source in zip(models, sources, strict=True)]
        noise = tuple(torch.stack(layer) for layer in zip(*drawn, strict=True))
        parts.append(layers.rates(x.view(*chosen.shape, *x.shape[1:]), noise).double())
    return torch.cat(parts, 1)
