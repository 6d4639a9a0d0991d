"""Fitting a model: Adam on the Lagrangian D + Σ β_l R_l."""

__all__ = ["Fitted", "fit"]

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hit.config import TrainConfig
from hit.data import LabelledImages
from hit.descent import Epoch, descend
from hit.models import HierarchicalVAE
from hit.steering import Steering
from hit.weighting import weighting_of


@dataclass(frozen=True)
class Fitted:
    """What a training ended with, beside the model.

    Attributes:
        betas: β_1 … β_L: those of the config or, where rate targets moved them, those that they came to rest at.
        steering: what moved them; None without rate targets.
    """

    betas: tuple[float, ...]
    steering: Steering | None = None


def fit(
    model: HierarchicalVAE,
    train: LabelledImages,
    config: TrainConfig,
    *,
    on_epoch: Callable[[Epoch], None],
    check: Callable[[], None] = lambda: None,
    checkpoint: Path | None = None,
    identity: str = "",
) -> Fitted:
    """Train `model` in place, from its checkpoint if there is one; the β that it ended with.

    Where rate targets move β, a few images are held out, and gradients are clipped (`hit.weighting`).

    Args:
        model: on its device.
        train: on the same device.
        config: what to do.
        on_epoch, check, checkpoint, identity: as of `hit.descent.descend`.

    Raises:
        Diverged: the objective of an epoch is not finite.
        DataError: a streamed image cannot be read.
        CheckpointError: the checkpoint is damaged or of another model.
    """
    weighting = weighting_of(config, model, train)
    descend(weighting, train, config, on_epoch=on_epoch, check=check, checkpoint=checkpoint, identity=identity)
    return Fitted(weighting.final_betas, weighting.steering)
