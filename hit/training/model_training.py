"""The epochs of one model: a kernel at a time, or each step captured as a CUDA graph."""

__all__ = ["CapturedTraining", "ModelTraining", "PlainTraining", "choose_training"]

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from hit.config import TrainConfig
from hit.data import LabelledImages, Split, batches
from hit.models import HierarchicalVAE, Pass
from hit.models.likelihood_fit import fit_likelihood
from hit.models.surface_model import SurfaceModel
from hit.randomness import generator
from hit.training.beta_policies import BetaPolicy, ControlledBeta, choose_policy
from hit.training.checkpoints import (
    checkpoint_extra,
    load_checkpoint,
    load_state,
    save_checkpoint,
    save_state,
)
from hit.training.gradient_clipping import GradientClip
from hit.training.learning_rate import apply_schedule
from hit.training.lockstep import LockstepTraining, Member
from hit.training.lockstep.captured import capturable
from hit.training.loop import Adam, epoch_metrics, mixed_precision, shuffled, take_step
from hit.training.objective import gumbel_temperature
from hit.training.rate_controller import RateController

_LOG = logging.getLogger(__name__)


def choose_training(
    model: HierarchicalVAE | SurfaceModel, train: LabelledImages, config: TrainConfig, policy: BetaPolicy | None = None
) -> "ModelTraining":
    """Captured where the device is one of CUDA and the rest allows it, else plain; on a GPU a line says why.

    Args:
        model: on its device.
        train: on the same device.
        config: what to do.
        policy: says which β weigh the rates; None: `hit.training.beta_policies.choose_policy`.
    """
    if capturable(train.device):
        why = _why_plain(train, policy)
        if why is None:
            assert isinstance(train, Split)
            return CapturedTraining(model, train, config)
        _LOG.info(f"steps are taken one kernel at a time, not as a CUDA graph: {why}")
    return PlainTraining(model, train, config, policy)


class ModelTraining(ABC):
    """The training of one model, an epoch at a time.

    Attributes:
        policy: says which β weigh the rates.
        steps: of an epoch.
    """

    policy: BetaPolicy
    steps: int

    @property
    def controller(self) -> RateController | None:
        """What moves β; None without rate targets."""
        return self.policy.controller if isinstance(self.policy, ControlledBeta) else None

    @abstractmethod
    def run_epoch(self, epoch: int, check: Callable[[], None], after_step: Callable[[], None]) -> dict[str, float]:
        """Train for one epoch, counted from 0; means over its images, in schema names.

        Args:
            check: called before every step; raises to stop.
            after_step: called after every step.
        """

    @abstractmethod
    def restore(self, checkpoint: Path, identity: str) -> int:
        """Go on from a checkpoint; how many epochs it has finished."""

    @abstractmethod
    def save(self, checkpoint: Path, epoch: int, identity: str) -> None:
        """Write a checkpoint after `epoch` finished epochs."""


class PlainTraining(ModelTraining):
    """Steps one kernel after the other, by Adam."""

    def __init__(
        self,
        model: HierarchicalVAE | SurfaceModel,
        train: LabelledImages,
        config: TrainConfig,
        policy: BetaPolicy | None = None,
    ) -> None:
        fit_likelihood(model.likelihood, train)
        self.policy = policy or choose_policy(config, model, train)
        self._model, self._train, self._config = model, train, config
        self._trained = torch.arange(len(train)) if self.policy.trained is None else self.policy.trained
        self.steps = math.ceil(len(self._trained) / config.batch_size)
        self._clip = GradientClip(model.parameters()) if self.policy.clips_gradients else None
        self._optimiser = Adam(model.parameters(), lr=config.learning_rate, fused=True)

    def run_epoch(self, epoch: int, check: Callable[[], None], after_step: Callable[[], None]) -> dict[str, float]:
        metrics = epoch_metrics(self._means(epoch, check, after_step).tolist())
        metrics |= self.policy.end_epoch(self._model, metrics)
        if (temperature := gumbel_temperature(self._config, epoch)) is not None:
            metrics["train/temperature"] = temperature
        return metrics

    def restore(self, checkpoint: Path, identity: str) -> int:
        finished = load_checkpoint(checkpoint, self._model, self._optimiser, identity=identity)
        extra = checkpoint_extra(checkpoint)
        self.policy.restore(extra)
        if self._clip is not None:
            self._clip.restore(extra)
        return finished

    def save(self, checkpoint: Path, epoch: int, identity: str) -> None:
        extra = self.policy.tensors() | (self._clip.tensors() if self._clip is not None else {})
        save_checkpoint(checkpoint, self._model, self._optimiser, epoch=epoch, identity=identity, extra=extra)

    def _means(self, epoch: int, check: Callable[[], None], after_step: Callable[[], None]) -> Tensor:
        """Over the images of one epoch: loss, D, R_1 … R_L."""
        model, config, policy = self._model, self._config, self.policy
        device = self._train.device
        order = shuffled(self._trained, config.seed, epoch)
        noise = generator("noise", config.seed, epoch, device)
        crops = generator("crops", config.seed, epoch)
        temperature = gumbel_temperature(config, epoch)
        sums = torch.zeros(2 + model.layers, dtype=torch.float64, device=device)
        pictures = batches(self._train, config.batch_size, order.to(device), crops=crops)
        policy.begin_epoch(epoch)
        for step, images in enumerate(pictures, start=epoch * self.steps):
            check()
            apply_schedule(self._optimiser, config, step, config.epochs * self.steps)
            x = model.prepare(images)
            betas = policy.betas(len(x), step)
            with mixed_precision(config.precision, device):
                outcome = _forward(model, x, betas, model.noise(len(x), noise), temperature)
            losses = policy.losses(outcome, betas, step)
            take_step(self._optimiser, losses.mean(), self._clip)
            with torch.no_grad():
                totals = torch.stack([losses.sum(), outcome.distortion.sum(), *(rate.sum() for rate in outcome.rates)])
                sums += totals
                policy.after_step(totals[2:] / len(x), step, len(x))
            after_step()
        return sums / len(order)


class CapturedTraining(ModelTraining):
    """Steps captured as CUDA graphs and replayed: a block of one model (`hit.training.lockstep`).

    On the CPU, where nothing is captured, it takes the same steps.
    """

    def __init__(self, model: HierarchicalVAE | SurfaceModel, train: Split, config: TrainConfig) -> None:
        # A surface is trained as a model is, by a β policy of its own; blocks of many are of models.
        self._block = LockstepTraining([Member(config, cast(HierarchicalVAE, model))], train)
        self.policy = self._block.policy(0)
        self.steps = self._block.steps

    def run_epoch(self, epoch: int, check: Callable[[], None], after_step: Callable[[], None]) -> dict[str, float]:
        (told,) = self._block.run_epoch(epoch, check, after_step)
        assert told is not None
        return told.metrics

    def restore(self, checkpoint: Path, identity: str) -> int:
        state, finished = load_state(checkpoint, identity=identity)
        self._block.load_state(0, state)
        return finished

    def save(self, checkpoint: Path, epoch: int, identity: str) -> None:
        save_state(checkpoint, self._block.state(0), epoch=epoch, identity=identity)


def _why_plain(train: LabelledImages, policy: BetaPolicy | None) -> str | None:
    """Why steps cannot be captured; None where they may be."""
    if not isinstance(train, Split):
        return "images are streamed"
    return None if policy is None else "β are weighed by a policy of the caller's"


def _forward(
    model: HierarchicalVAE | SurfaceModel,
    x: Tensor,
    betas: Tensor,
    noise: tuple[Tensor, ...],
    temperature: float | None,
) -> Pass:
    """One pass of a batch; the layers of a surface are conditioned on β."""
    outcome: Pass = (
        model(x, betas, noise, temperature=temperature)
        if isinstance(model, SurfaceModel)
        else model(x, noise, temperature=temperature)
    )
    return outcome
