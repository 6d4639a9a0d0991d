"""What a training with rate targets has beside others: held-out images, a controller of β, clipped gradients."""

__all__ = ["SteeredTraining"]

import math
from collections.abc import Mapping

from torch import Tensor

from hit.clipping import GradientClip
from hit.config import TrainConfig
from hit.data import LabelledImages
from hit.held_out import HeldOut, hold_out
from hit.models import HierarchicalVAE
from hit.steering import Steering, plan_steering


class SteeredTraining:
    """A training that is steered by its rates.

    A few images are held out, so that it is the rates of unseen images that meet the targets. Gradients are clipped:
    β answers the rates of single batches, which makes an unusual gradient more so.

    Attributes:
        steering: the controller.
        clip: of the gradients.
        parts: which images are trained on, and which are not.
    """

    def __init__(self, steering: Steering, clip: GradientClip, parts: HeldOut) -> None:
        self.steering = steering
        self.clip = clip
        self.parts = parts

    @classmethod
    def of(cls, config: TrainConfig, model: HierarchicalVAE, train: LabelledImages) -> "SteeredTraining | None":
        """That of a config; None where it has no rate targets."""
        plan = plan_steering(config, train.device)
        if plan is None:
            return None
        parts = hold_out(train, config.seed)
        steering = Steering(plan, config, math.ceil(len(parts.trained) / config.batch_size))
        return cls(steering, GradientClip(model.parameters()), parts)

    def end_epoch(
        self, model: HierarchicalVAE, train: LabelledImages, seed: int, metrics: Mapping[str, float]
    ) -> dict[str, float]:
        """Let the controller learn of held-out images; how far the rates of unseen images are from their targets."""
        self.steering.hear(self.parts.log_gap(model, train, seed))
        return self.steering.relative_errors(metrics)

    def tensors(self) -> dict[str, Tensor]:
        """The state by name, for a checkpoint."""
        return self.steering.tensors() | self.clip.tensors()

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the state back from a checkpoint."""
        self.steering.restore(tensors)
        self.clip.restore(tensors)
