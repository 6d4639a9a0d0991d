"""The loop that fits a model: Adam on the Lagrangian, an epoch at a time."""

__all__ = ["Epoch", "Fitted", "fit"]

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hit.checkpoint import checkpoint_extra, load_checkpoint, save_checkpoint
from hit.config import TrainConfig
from hit.data import LabelledImages, batches
from hit.errors import Diverged
from hit.models import HierarchicalVAE
from hit.objective import gumbel_temperature, objective, warmup_factor
from hit.randomness import generator
from hit.schedules import apply_schedule
from hit.steered import SteeredTraining
from hit.steering import Steering


@dataclass(frozen=True)
class Epoch:
    """One finished epoch.

    Attributes:
        number: counted from 1.
        metrics: means over the epoch's images, in schema names (`train/…`).
    """

    number: int
    metrics: dict[str, float]


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

    An epoch is a function of (weights, optimiser, β, seed, epoch): its batches, crops and noise come from
    generators seeded with the last two, so that a resumed run equals an uninterrupted one. The sums
    of an epoch stay on the device and are read once, at its end. Where rate targets move β, a few images are
    held out, and gradients are clipped (`hit.steered`).

    Args:
        model: on its device.
        train: on the same device.
        config: what to do.
        on_epoch: told every finished epoch, before its checkpoint is written.
        check: called before every step; raises to stop (`StopRequest.check`).
        checkpoint: file to go on from and to write after every epoch.
        identity: config hash that the checkpoint must carry.

    Raises:
        Diverged: the objective of an epoch is not finite.
        DataError: a streamed image cannot be read.
        CheckpointError: the checkpoint is damaged or of another model.
    """
    device = next(model.parameters()).device
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate, fused=True)
    steered = SteeredTraining.of(config, model, train)
    trained = torch.arange(len(train)) if steered is None else steered.parts.trained
    finished = 0
    if checkpoint is not None and checkpoint.exists():
        finished = load_checkpoint(checkpoint, model, optimiser, identity=identity)
        if steered is not None:
            steered.restore(checkpoint_extra(checkpoint))
    model.train()
    for epoch in range(finished, config.epochs):
        started = time.perf_counter()
        means = _run_epoch(model, optimiser, train, trained, config, epoch, steered, check) / len(trained)
        metrics = _epoch_metrics(means, _betas(config, steered, device) * warmup_factor(config, epoch))
        if steered is not None:
            metrics |= steered.end_epoch(model, train, config.seed, metrics)
        if (temperature := gumbel_temperature(config, epoch)) is not None:
            metrics["train/temperature"] = temperature
        metrics["train/seconds"] = time.perf_counter() - started
        if not math.isfinite(metrics["train/objective"]):
            raise Diverged(
                f"the training objective is not finite in epoch {epoch + 1} of {config.epochs} "
                f"(learning_rate {config.learning_rate:g}, β {', '.join(f'{beta:g}' for beta in config.betas)})"
            )
        on_epoch(Epoch(epoch + 1, metrics))
        if checkpoint is not None:
            extra = steered.tensors() if steered is not None else None
            save_checkpoint(checkpoint, model, optimiser, epoch=epoch + 1, identity=identity, extra=extra)
    model.eval()
    if steered is None:
        return Fitted(config.betas)
    return Fitted(steered.steering.resting_betas, steered.steering)


def _run_epoch(
    model: HierarchicalVAE,
    optimiser: torch.optim.Optimizer,
    train: LabelledImages,
    trained: Tensor,
    config: TrainConfig,
    epoch: int,
    steered: SteeredTraining | None,
    check: Callable[[], None],
) -> Tensor:
    """Sums over the images of [objective, distortion, R_1, …, R_L]."""
    device = train.device
    order = trained[torch.randperm(len(trained), generator=generator("batches", config.seed, epoch))]
    noise = generator("noise", config.seed, epoch, device)
    temperature = gumbel_temperature(config, epoch)
    warmth = warmup_factor(config, epoch)
    betas = _betas(config, steered, device) * warmth
    sums = torch.zeros(2 + model.layers, dtype=torch.float64, device=device)
    crops = generator("crops", config.seed, epoch)
    steps = math.ceil(len(order) / config.batch_size)
    pictures = batches(train, config.batch_size, order.to(device), crops=crops)
    for step, images in enumerate(pictures, start=epoch * steps):
        check()
        apply_schedule(optimiser, config, step, config.epochs * steps)
        x = model.prepare(images)
        outcome = model(x, model.noise(len(x), noise), temperature=temperature)
        losses = objective(outcome, betas)
        optimiser.zero_grad(set_to_none=True)
        losses.mean().backward()
        if steered is not None:
            steered.clip.clip()
        optimiser.step()
        with torch.no_grad():
            totals = torch.stack([losses.sum(), outcome.distortion.sum(), *(rate.sum() for rate in outcome.rates)])
            sums += totals
            if steered is not None:
                steered.steering.see(totals[2:] / len(x), step, len(x))
                betas = _betas(config, steered, device) * warmth
    return sums


def _betas(config: TrainConfig, steered: SteeredTraining | None, device: torch.device) -> Tensor:
    """β_1 … β_L in force, before warm-up."""
    return torch.tensor(config.betas, device=device) if steered is None else steered.steering.betas.float()


def _epoch_metrics(means: Tensor, betas: Tensor) -> dict[str, float]:
    objective_mean, distortion, *rates = means.tolist()
    metrics = {
        "train/objective": objective_mean,
        "train/distortion": distortion,
        "train/rate": sum(rates),
        "train/elbo": -distortion - sum(rates),
    }
    for layer, (rate, beta) in enumerate(zip(rates, betas.tolist(), strict=True), start=1):
        metrics[f"train/rate_{layer}"] = rate
        metrics[f"train/beta_{layer}"] = beta
    return metrics
