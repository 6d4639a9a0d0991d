"""Fitting a model: Adam on the Lagrangian D + Σ β_l R_l, an epoch at a time, from its checkpoint on."""

__all__ = ["FitResult", "fit"]

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from hit.config import TrainConfig
from hit.data import LabelledImages, batches
from hit.errors import ConfigError
from hit.models import HierarchicalVAE, Pass
from hit.models.geometry.vector_geometry import standardise
from hit.models.surface_model import SurfaceModel
from hit.processes.memory import memory_is_told
from hit.randomness import generator
from hit.training.beta_policies import BetaPolicy, ControlledBeta, choose_policy
from hit.training.checkpoints import checkpoint_extra, load_checkpoint, save_checkpoint
from hit.training.epoch_estimate import EpochEstimate
from hit.training.gradient_clipping import GradientClip
from hit.training.learning_rate import apply_schedule
from hit.training.loop import Epoch, run_epochs, shuffled, take_step
from hit.training.objective import gumbel_temperature
from hit.training.rate_controller import RateController
from hit.training.reports import epoch_metrics


@dataclass(frozen=True)
class FitResult:
    """What a training ended with, beside the model.

    Attributes:
        betas: β_1 … β_L: those of the config or, where rate targets moved them, those that they came to rest at;
            none for a surface, which is trained for all β.
        metrics: of the last epoch, in schema names (`train/…`); none where no epoch was left to train.
        controller: what moved β; None without rate targets.
    """

    betas: tuple[float, ...]
    metrics: dict[str, float] = field(default_factory=dict)
    controller: RateController | None = None


@memory_is_told
def fit(
    model: HierarchicalVAE | SurfaceModel,
    train: LabelledImages,
    config: TrainConfig,
    *,
    policy: BetaPolicy | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    check: Callable[[], None] = lambda: None,
    checkpoint: Path | None = None,
    identity: str = "",
) -> FitResult:
    """Train `model` in place, from its checkpoint if there is one; the β that it ended with, and its last epoch.

    A model of vectors takes means and standard deviations of the training set's features first.

    An epoch is a function of (weights, optimiser, β policy, seed, epoch): its batches, crops and noise come from
    generators seeded with the last two, and the step size is a function of the step, so that a resumed run equals an
    uninterrupted one. The sums of an epoch stay on the device and are read once, at its end. Where all epochs take
    minutes, a line tells how long (`EpochEstimate`).

    Args:
        model: on its device.
        train: on the same device.
        config: what to do.
        policy: says which β weigh the rates; None: `hit.training.beta_policies.choose_policy`.
        on_epoch: told every finished epoch, before its checkpoint is written.
        check: called before every step; raises to stop (`StopRequest.check`).
        checkpoint: file to go on from and to write after every epoch.
        identity: config hash that the checkpoint must carry.

    Raises:
        ConfigError: the model has other layers than the config, or is on another device than the images.
        Diverged: the objective of an epoch is not finite.
        OutOfMemory: batches do not fit into memory.
        DataError: a streamed image cannot be read, or vectors cannot be standardised.
        CheckpointError: the checkpoint is damaged or of another model.

    >>> from hit import data
    >>> from hit.models import build_model
    >>> config, digits = TrainConfig(channels=4, z_dims=(5,), epochs=1, batch_size=500), data.load("digits")
    >>> fitted = fit(build_model(config, digits.image_shape), digits.train, config)
    >>> fitted.betas, fitted.metrics["train/rate"] > 0
    ((1.0, 1.0), True)
    """
    if model.layers != config.layers:
        raise ConfigError(f"config must be of the model, which has {model.layers} layers, got {config.layers}")
    device = next(model.parameters()).device
    if device.type != train.device.type:
        raise ConfigError(f"model and images must be on one device, got {device} and {train.device}")
    standardise(model.likelihood, train)
    policy = policy or choose_policy(config, model, train)
    clip = GradientClip(model.parameters()) if policy.clips_gradients else None
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
    finished = 0
    if checkpoint is not None and checkpoint.exists():
        finished = load_checkpoint(checkpoint, model, optimiser, identity=identity)
        extra = checkpoint_extra(checkpoint)
        policy.restore(extra)
        if clip is not None:
            clip.restore(extra)

    steps = math.ceil((len(train) if policy.trained is None else len(policy.trained)) / config.batch_size)
    estimate = EpochEstimate(model, steps, config.epochs - finished)

    def run_epoch(epoch: int) -> dict[str, float]:
        metrics = _run_epoch(model, policy, optimiser, clip, train, config, epoch, check, estimate)
        metrics |= policy.end_epoch(model, metrics)
        if (temperature := gumbel_temperature(config, epoch)) is not None:
            metrics["train/temperature"] = temperature
        return metrics

    def end_epoch(epoch: Epoch) -> None:
        on_epoch(epoch)
        if checkpoint is not None:
            extra = policy.tensors() | (clip.tensors() if clip is not None else {})
            save_checkpoint(checkpoint, model, optimiser, epoch=epoch.number, identity=identity, extra=extra)

    model.train()
    metrics = run_epochs(
        range(finished, config.epochs),
        run_epoch,
        loss="train/objective",
        setting=f"learning_rate {config.learning_rate:g}, {policy}",
        on_epoch=end_epoch,
    )
    model.eval()
    return FitResult(policy.final_betas, metrics, policy.controller if isinstance(policy, ControlledBeta) else None)


def _run_epoch(
    model: HierarchicalVAE | SurfaceModel,
    policy: BetaPolicy,
    optimiser: torch.optim.Optimizer,
    clip: GradientClip | None,
    train: LabelledImages,
    config: TrainConfig,
    epoch: int,
    check: Callable[[], None],
    estimate: EpochEstimate,
) -> dict[str, float]:
    """Means over the images of one epoch, in schema names."""
    device = train.device
    trained = torch.arange(len(train)) if policy.trained is None else policy.trained
    order = shuffled(trained, config.seed, epoch)
    noise = generator("noise", config.seed, epoch, device)
    crops = generator("crops", config.seed, epoch)
    temperature = gumbel_temperature(config, epoch)
    sums = torch.zeros(2 + model.layers, dtype=torch.float64, device=device)
    steps = math.ceil(len(order) / config.batch_size)
    pictures = batches(train, config.batch_size, order.to(device), crops=crops)
    policy.begin_epoch(epoch)
    for step, images in enumerate(pictures, start=epoch * steps):
        check()
        apply_schedule(optimiser, config, step, config.epochs * steps)
        x = model.prepare(images)
        betas = policy.betas(len(x), step)
        outcome = _forward(model, x, betas, model.noise(len(x), noise), temperature)
        losses = policy.losses(outcome, betas, step)
        take_step(optimiser, losses.mean(), clip)
        with torch.no_grad():
            totals = torch.stack([losses.sum(), outcome.distortion.sum(), *(rate.sum() for rate in outcome.rates)])
            sums += totals
            policy.after_step(totals[2:] / len(x), step, len(x))
        estimate.after_step()
    return epoch_metrics((sums / len(order)).tolist())


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
