"""What weighs the rates of a single model: β as its config has them, or β that its rate targets move."""

__all__ = ["FixedWeighting", "SteeredWeighting", "weighting_of"]

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from hit.clipping import GradientClip
from hit.config import TrainConfig
from hit.data import LabelledImages
from hit.descent import Weighting
from hit.held_out import hold_out
from hit.models import HierarchicalVAE, Pass
from hit.objective import objective, warmup_factor
from hit.steering import Steering, SteeringPlan, plan_steering


def weighting_of(
    config: TrainConfig, model: HierarchicalVAE, train: LabelledImages
) -> "FixedWeighting | SteeredWeighting":
    """That of a config: steered where it has rate targets."""
    plan = plan_steering(config, train.device)
    return FixedWeighting(config, model, train) if plan is None else SteeredWeighting(plan, config, model, train)


class FixedWeighting(Weighting):
    """β of the config, from the first step to the last, on all images.

    Args:
        config: of the training.
        model: what is trained.
        train: its images.
    """

    model: HierarchicalVAE
    steering = None

    def __init__(self, config: TrainConfig, model: HierarchicalVAE, train: LabelledImages) -> None:
        self.model = model
        self.trained = torch.arange(len(train))
        self._config = config
        self._asked = torch.tensor(config.betas, device=train.device)
        self._betas = self._asked

    @property
    def final_betas(self) -> tuple[float, ...]:
        """β_1 … β_L that training ends with."""
        return self._config.betas

    def begin_epoch(self, epoch: int) -> None:
        self._betas = self._asked * warmup_factor(self._config, epoch)

    def weigh(self, x: Tensor, noise: tuple[Tensor, ...], temperature: float | None, step: int) -> tuple[Pass, Tensor]:
        outcome = self.model(x, noise, temperature=temperature)
        return outcome, objective(outcome, self._betas)

    def before_step(self) -> None:
        """Gradients are applied as they are."""

    def after_step(self, rates: Tensor, step: int, images: int) -> None:
        """β stay as they are."""

    def end_epoch(self, metrics: Mapping[str, float]) -> dict[str, float]:
        return _named(self._betas)

    def tensors(self) -> dict[str, Tensor]:
        return {}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """There is nothing to take back."""

    def __str__(self) -> str:
        return _in_words(self._config)


class SteeredWeighting(Weighting):
    """β that a controller moves until the rates meet their targets.

    A few images are held out, so that it is the rates of unseen images that meet them. Gradients are clipped: β answers
    the rates of single batches, which makes an unusual gradient more so.

    Args:
        plan: what is steered.
        config: of the training.
        model: what is trained.
        train: its images.

    Attributes:
        steering: the controller.
    """

    model: HierarchicalVAE

    def __init__(self, plan: SteeringPlan, config: TrainConfig, model: HierarchicalVAE, train: LabelledImages) -> None:
        self.model = model
        self._parts = hold_out(train, config.seed)
        self.trained = self._parts.trained
        self.steering = Steering(plan, config, math.ceil(len(self.trained) / config.batch_size))
        self._clip = GradientClip(model.parameters())
        self._config = config
        self._train = train
        self._warmth = 1.0

    @property
    def final_betas(self) -> tuple[float, ...]:
        """β_1 … β_L at which the rates come to rest."""
        return self.steering.resting_betas

    def begin_epoch(self, epoch: int) -> None:
        self._warmth = warmup_factor(self._config, epoch)

    def weigh(self, x: Tensor, noise: tuple[Tensor, ...], temperature: float | None, step: int) -> tuple[Pass, Tensor]:
        outcome = self.model(x, noise, temperature=temperature)
        return outcome, objective(outcome, self._betas())

    def before_step(self) -> None:
        self._clip.clip()

    def after_step(self, rates: Tensor, step: int, images: int) -> None:
        self.steering.see(rates, step, images)

    def end_epoch(self, metrics: Mapping[str, float]) -> dict[str, float]:
        betas = _named(self._betas())
        self.steering.hear(self._parts.log_gap(self.model, self._train, self._config.seed))
        return betas | self.steering.relative_errors(metrics)

    def tensors(self) -> dict[str, Tensor]:
        return self.steering.tensors() | self._clip.tensors()

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        self.steering.restore(tensors)
        self._clip.restore(tensors)

    def __str__(self) -> str:
        return _in_words(self._config)

    def _betas(self) -> Tensor:
        return self.steering.betas.float() * self._warmth


def _named(betas: Tensor) -> dict[str, float]:
    return {f"train/beta_{layer}": beta for layer, beta in enumerate(betas.tolist(), start=1)}


def _in_words(config: TrainConfig) -> str:
    return f"β {', '.join(f'{beta:g}' for beta in config.betas)}"
