"""Frames as the store makes them, with rates and scores that are smooth functions of the βs."""

import io
import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from hit.config import TrainConfig
from hit.metrics.bounds import accuracy_bound
from hit.schema import FILE_QUALITIES, LOSSY_STEPS, PROBES, SCHEMA_VERSION

CLASSES = 10
ENTROPY = math.log(CLASSES)


def grid_frame(side: int, *, layers: int = 2, seeds: int = 1, **config: Any) -> pd.DataFrame:
    """side ** layers runs a seed; `config` overrides fields of TrainConfig."""
    betas = np.logspace(-1, 1, side) if side > 1 else np.ones(1)
    rows = [
        _row(tuple(map(float, chosen)), seed, config)
        for chosen in itertools.product(betas, repeat=layers)
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)


def _row(betas: tuple[float, ...], seed: int, overrides: dict[str, Any]) -> dict[str, Any]:
    layers = len(betas)
    model = "vae" if layers == 1 else "ghvae"
    fields = {
        "dataset": "binary_mnist",
        "model": model,
        "betas": betas,
        "seed": seed,
        "z_dims": (20,) * max(1, layers - 1),
    }
    config = TrainConfig(**{**fields, **overrides})
    digest = f"digest-of-{config.dataset}"
    identity = config.identity(digest)
    name = "β " + " ".join(f"{beta:.3g}" for beta in betas) + f" seed {seed}"
    start = pd.Timestamp("2025-03-01 12:00", tz="UTC") + pd.Timedelta(minutes=int(identity[:3], 16))
    return {
        "run_id": identity * 2,
        "run_name": name,
        "experiment_id": "1",
        "status": "FINISHED",
        "kind": "train",
        "schema": SCHEMA_VERSION,
        "sweep": "a" * 32,
        "config_hash": identity,
        "group": config.group(digest),
        "data_digest": digest,
        "evaluator": "evaluator-1",
        "status_reason": None,
        "start_time": start,
        "end_time": start + pd.Timedelta(minutes=9),
        **config.to_flat(),
        **_scores(betas, seed),
    }


def _scores(betas: tuple[float, ...], seed: int) -> dict[str, float]:
    """Rates fall with their own β and, more weakly, rise with the other's: information moves between layers."""
    layers = len(betas)
    noise = np.random.default_rng([seed, *(int(1000 * beta) for beta in betas)]).normal(0, 0.01, 8)
    rates = []
    for layer, beta in enumerate(betas, start=1):
        others = [other for index, other in enumerate(betas, start=1) if index != layer]
        relief = float(np.mean([math.log10(other / beta) for other in others])) if others else 0.0
        top = 58 if layer < layers or layers == 1 else 24
        rates.append(top / (1 + 1.4 * beta**0.8) * (1 / (1 + math.exp(-2.2 * relief - 0.8))) * (1 + noise[0]))
    rate = sum(rates)
    distortion = 62 + 150 * math.exp(-rate / 19) * (1 + noise[1])
    scores = {f"test/rate_{layer}": r for layer, r in enumerate(rates, start=1)} | {
        "test/rate": rate,
        "test/distortion": distortion,
        "test/elbo": -rate - distortion,
        "test/objective": distortion + sum(b * r for b, r in zip(betas, rates, strict=True)),
        "test/bits_per_dim": (rate + distortion) / math.log(2) / 784,
        "test/psnr": 9.5 + 11 * (1 - math.exp(-rate / 32)) + 10 * noise[2],
        "test/label_entropy": ENTROPY,
        "test/seconds": 21.0,
    }
    for layer in range(1, layers + 1):
        bound_rate = sum(rates[layer - 1 :])
        bound = accuracy_bound(bound_rate, ENTROPY, CLASSES)
        information = min(0.93 * ENTROPY, 0.55 * bound_rate**0.8) * (1 - 0.02 * abs(noise[3]))
        scores[f"test/mi_z{layer}"] = information
        scores[f"test/accuracy_bound_rate_z{layer}"] = bound
        scores[f"test/accuracy_bound_mi_z{layer}"] = accuracy_bound(information, ENTROPY, CLASSES)
        reached = max(0.1, accuracy_bound(0.8 * information, ENTROPY, CLASSES))
        for probe, skill in zip(PROBES, (0.93, 1.0, 0.95, 0.97), strict=True):
            sampled = 0.1 + (reached - 0.1) * skill
            scores[f"test/accuracy_{probe}_z{layer}_sampled"] = sampled
            scores[f"test/accuracy_{probe}_z{layer}"] = min(0.985, sampled + 0.35 * math.exp(-bound_rate / 2.5) + 0.02)
        best = max(scores[f"test/accuracy_{probe}_z{layer}_sampled"] for probe in PROBES)
        scores[f"test/bound_slack_z{layer}"] = bound - best
        scores[f"test/bound_holds_z{layer}"] = 1.0
    return scores


def with_samples(frame: pd.DataFrame) -> pd.DataFrame:
    """The same runs with scores of samples, which are best at a moderate rate."""
    unequal = np.abs(np.log10(frame["beta_2"] / frame["beta_1"]))
    bell = np.exp(-(((frame["test/rate"] - 35) / 30) ** 2))
    distance = 5 + 30 * np.abs(frame["test/rate"] - 35) / 60
    return frame.assign(
        **{"sample/inception_score": 1 + 8 * bell * (1 - 0.2 * unequal), "sample/fid_classifier": distance}
    )


def paths(frame: pd.DataFrame, epochs: int = 12) -> pd.DataFrame:
    """How the runs of a frame came to their rates: a row an epoch, z_2 slower than z_1."""
    epoch = np.arange(1, epochs + 1)
    quick, slow = 1 - np.exp(-epoch / 2), 1 - np.exp(-epoch / 5)
    parts = []
    for _, run in frame.iterrows():
        columns = {"run_id": run["run_id"], "epoch": epoch, "train/rate_1": run["test/rate_1"] * quick}
        columns |= {"train/distortion": run["test/distortion"] * (1 + np.exp(-epoch / 3))}
        if "test/rate_2" in run:
            columns["train/rate_2"] = run["test/rate_2"] * slow
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def drawing(run_id: str, artifact: str) -> bytes:
    """A grid of blobs as `hit.evaluation.pictures` lays images of 28 pixels out, another one for each run."""
    generator = np.random.default_rng([int(run_id[:8], 16), len(artifact)])
    rows = 6 if "reconstructions" in artifact else 5
    grid = np.full((rows * 29 + 1, 10 * 29 + 1), 128.0)
    y, x = np.mgrid[0:28, 0:28]
    for row, column in itertools.product(range(rows), range(10)):
        centre, width = generator.uniform(8, 20, 2), generator.uniform(3, 9)
        blob = 255 * np.exp(-(((x - centre[0]) / width) ** 2) - ((y - centre[1]) / width) ** 2)
        grid[1 + row * 29 : 29 + row * 29, 1 + column * 29 : 29 + column * 29] = blob
    out = io.BytesIO()
    Image.fromarray(grid.astype(np.uint8).repeat(2, 0).repeat(2, 1)).save(out, "PNG")
    return out.getvalue()


def with_coding(frame: pd.DataFrame, share: float = 1.0) -> pd.DataFrame:
    """The runs with bits that fall with the step, `share` of what they would be."""
    frame = frame.copy()
    bits = share * frame["test/rate"] / math.log(2)
    for step in LOSSY_STEPS:
        frame[f"test/lossy_bits_step_{step}"] = bits * (2 / step) ** 0.5
        frame[f"test/lossy_psnr_step_{step}"] = 14 + 4 * np.log10(bits / share) - step / 4
    for quality in FILE_QUALITIES:
        for name, times in (("jpeg", 12.0), ("webp", 8.0)):
            frame[f"test/{name}_bits_quality_{quality}"] = times * (5 + quality)
            frame[f"test/{name}_psnr_quality_{quality}"] = 15 + 3 * math.log10(1 + quality)
    frame["test/png_bits"] = 300.0
    frame["test/lossy_images"] = 100.0
    frame["test/lossy_excess_bits"] = -10.0
    return frame
