"""Which β weigh the rates of a training: its config's, those that its rate targets ask for, or all of a range."""

__all__ = ["BetaPolicy", "ControlledBeta", "FixedBeta", "SampledBeta", "choose_policy"]

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from hit.config import TrainConfig
from hit.data import LabelledImages
from hit.errors import ConfigError
from hit.models import HierarchicalVAE, Pass
from hit.models.surface_model import SurfaceModel
from hit.randomness import generator
from hit.training.beta_sampling import (
    LOSS_POWER,
    draw_betas,
    free_nats,
    loss_scale,
    ramp,
    range_share,
    spared,
    top_power,
)
from hit.training.generalization_gap import hold_out
from hit.training.objective import objective, warmup_factor, warmup_factors
from hit.training.rate_controller import RateController


def choose_policy(config: TrainConfig, model: HierarchicalVAE | SurfaceModel, train: LabelledImages) -> "BetaPolicy":
    """The usual policy: β drawn from a surface's range, moved by rate targets, else those of the config."""
    if isinstance(model, SurfaceModel):
        return SampledBeta(config, len(train), model.beta_low, model.beta_high, train.device)
    return ControlledBeta(config, train) if config.targets else FixedBeta(config, train.device)


class BetaPolicy(ABC):
    """Which β weigh the rates of each batch of one training; told of every step and epoch.

    Attributes:
        trained: indices of the images to train on; None for all.
        clips_gradients: whether gradients of unusual size are cut down (`GradientClip`): where β differ from batch to
            batch they are.
    """

    trained: Tensor | None = None
    clips_gradients = False

    @property
    @abstractmethod
    def final_betas(self) -> tuple[float, ...]:
        """β_1 … β_L that training ends with; none where it is for more than one."""

    @abstractmethod
    def begin_epoch(self, epoch: int) -> None:
        """An epoch, counted from 0, begins."""

    @abstractmethod
    def betas(self, images: int, step: int) -> Tensor:
        """β_1 … β_L of the next batch, (L,) for all of its images or (images, L), a row an image.

        Args:
            images: of the batch.
            step: counted from 0 over the whole training.
        """

    def losses(self, outcome: Pass, betas: Tensor, step: int) -> Tensor:
        """What is minimised of every image of a batch, (batch,): D + Σ_l β_l R_l.

        Args:
            outcome: one pass of the batch.
            betas: of the batch.
            step: counted from 0 over the whole training.
        """
        return objective(outcome, betas)

    def after_step(self, rates: Tensor, step: int, images: int) -> None:  # noqa: B027 - most have no use for it
        """A step was made.

        Args:
            rates: R_1 … R_L of its batch, mean nats per image, (L,).
            step: counted from 0 over the whole training.
            images: of the batch.
        """

    def end_epoch(self, model: HierarchicalVAE | SurfaceModel, metrics: Mapping[str, float]) -> dict[str, float]:
        """An epoch is over; further metrics of it, by schema names.

        Args:
            model: as it is now.
            metrics: of the epoch.
        """
        return {}

    def tensors(self) -> dict[str, Tensor]:
        """The state by name, for a checkpoint."""
        return {}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:  # noqa: B027 - most have no state
        """Take the state back from a checkpoint."""

    @abstractmethod
    def __str__(self) -> str:
        """β in words, for an error."""


class FixedBeta(BetaPolicy):
    """β of the config, from the first step to the last, on all images.

    Args:
        config: of the training.
        device: where the model is.
    """

    def __init__(self, config: TrainConfig, device: torch.device | str = "cpu") -> None:
        self._config = config
        self._asked = torch.tensor(config.betas, device=device)
        self._betas = self._asked

    @property
    def final_betas(self) -> tuple[float, ...]:
        return self._config.betas

    def begin_epoch(self, epoch: int) -> None:
        self._betas = self._asked * self._asked.new_tensor(warmup_factors(self._config, epoch))

    def betas(self, images: int, step: int) -> Tensor:
        return self._betas

    def end_epoch(self, model: HierarchicalVAE | SurfaceModel, metrics: Mapping[str, float]) -> dict[str, float]:
        return _named(self._betas)

    def __str__(self) -> str:
        return _in_words(self._config)


class ControlledBeta(BetaPolicy):
    """β that a controller moves until the rates meet the targets of the config.

    A few images are held out, so that it is the rates of unseen images that meet them. Gradients are clipped: β answers
    the rates of single batches, which makes an unusual gradient more so.

    Args:
        config: of the training.
        train: its images.

    Attributes:
        controller: what moves β.
        held_out: images that are not trained on.

    Raises:
        ConfigError: the config has no rate targets.
    """

    clips_gradients = True

    def __init__(self, config: TrainConfig, train: LabelledImages) -> None:
        self.held_out = hold_out(train, config.seed)
        self.trained = self.held_out.trained
        self.controller = RateController(config, math.ceil(len(self.trained) / config.batch_size), train.device)
        self._config = config
        self._train = train
        self._warmth = 1.0

    @property
    def final_betas(self) -> tuple[float, ...]:
        """β_1 … β_L at which the rates come to rest."""
        return self.controller.resting_betas

    def begin_epoch(self, epoch: int) -> None:
        self._warmth = warmup_factor(self._config, epoch)

    def betas(self, images: int, step: int) -> Tensor:
        return self._betas()

    def losses(self, outcome: Pass, betas: Tensor, step: int) -> Tensor:
        """D + Σ_l (β_l + pressure_l) R_l, with what holds the rates at their targets (`rate_controller.pressures`)."""
        rates = torch.stack([rate.detach().mean() for rate in outcome.rates])
        return objective(outcome, betas + self._warmth * self.controller.pressures(rates, step).float())

    def after_step(self, rates: Tensor, step: int, images: int) -> None:
        self.controller.update(rates, step, images)

    def end_epoch(self, model: HierarchicalVAE | SurfaceModel, metrics: Mapping[str, float]) -> dict[str, float]:
        if isinstance(model, SurfaceModel):
            raise ConfigError("rate targets must be those of one model, got a surface of models")
        gaps = self.held_out.log_gap(
            model, self._train, self._config.seed, self.controller.plan.sums, shrunk=self.shrinks_gaps
        )
        return self.learn_gaps(gaps, metrics)

    @property
    def shrinks_gaps(self) -> bool:
        """Whether chance is taken off gaps above zero, too (`likely_log_gap`)."""
        return bool(self.controller.plan.pressed.any())

    def learn_gaps(self, log_gaps: Tensor, metrics: Mapping[str, float]) -> dict[str, float]:
        """What `end_epoch` does where the gaps of held-out images are known (`HeldOut.log_gap`)."""
        betas = _named(self._betas())
        self.controller.update_gaps(log_gaps)
        return betas | self.controller.relative_errors(metrics)

    def tensors(self) -> dict[str, Tensor]:
        return self.controller.tensors()

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        self.controller.restore(tensors)

    def __str__(self) -> str:
        return _in_words(self._config)

    def _betas(self) -> Tensor:
        return self.controller.betas.float() * self._warmth


class SampledBeta(BetaPolicy):
    """β drawn anew for every image of every batch, for one model of every β.

    The mean of (D + Σ β_l R_l) / (mean β + 0.3)^0.6 over images and over β drawn from the range
    (`beta_sampling.draw_betas`) is minimised, with gradients clipped; at first a few nats of R_L cost nothing
    (`beta_sampling.spared`). β of the config are not used.

    Args:
        config: of the training.
        images: of the training set.
        beta_low, beta_high: the range.
        device: where the model is.
        loss_power: in place of 0.6.

    Attributes:
        loss_power: what the loss of an image is divided by (`beta_sampling.loss_scale`).
    """

    clips_gradients = True

    def __init__(
        self,
        config: TrainConfig,
        images: int,
        beta_low: float,
        beta_high: float,
        device: torch.device | str = "cpu",
        loss_power: float = LOSS_POWER,
    ) -> None:
        self.loss_power = loss_power
        self._config = config
        self._steps = config.epochs * math.ceil(images / config.batch_size)
        self._low, self._high = beta_low, beta_high
        self._device = device
        self._source = generator("betas", config.seed, 0)
        self._warmth = 1.0

    @property
    def final_betas(self) -> tuple[float, ...]:
        return ()

    def begin_epoch(self, epoch: int) -> None:
        self._source = generator("betas", self._config.seed, epoch)
        self._warmth = warmup_factor(self._config, epoch)

    def betas(self, images: int, step: int) -> Tensor:
        return self.draw(images, step).to(self._device)

    def draw(self, images: int, step: int) -> Tensor:
        """`betas` on the CPU, where they are drawn."""
        share, power = range_share(step, self._steps), top_power(self._steps)
        return draw_betas(images, self._config.layers, self._low, self._high, self._source, share, power)

    def losses(self, outcome: Pass, betas: Tensor, step: int) -> Tensor:
        share, free = self._warmth * ramp(step, self._steps), free_nats(step, self._steps)
        losses = objective(outcome, spared(betas * share, outcome.rates, free))
        return losses / loss_scale(betas, self.loss_power)

    def __str__(self) -> str:
        return f"β from {self._low:g} to {self._high:g}"


def _named(betas: Tensor) -> dict[str, float]:
    return {f"train/beta_{layer}": beta for layer, beta in enumerate(betas.tolist(), start=1)}


def _in_words(config: TrainConfig) -> str:
    return f"β {', '.join(f'{beta:g}' for beta in config.betas)}"
