"""The note of a model's run, in markdown, which the MLflow UI shows on the run's page."""

__all__ = ["run_note"]

from collections.abc import Mapping

from hit import schema
from hit.config import TrainConfig


def run_note(config: TrainConfig, metrics: Mapping[str, float], status: str, reason: str = "") -> str:
    """How a run ended and what came of it: rates, distortion, PSNR, and what the latents and samples are good for.

    Args:
        config: of the model.
        metrics: of the test set or, where it was not measured, of the last epoch of training.
        status: how the run ended.
        reason: why, where it did not end well.

    >>> print(run_note(TrainConfig(), {"test/rate_2": 17.31, "test/psnr": 15.2}, "FINISHED"))
    **FINISHED**
    <BLANKLINE>
    | metric | value |
    |---|---|
    | R_2 | 17.31 nats per image |
    | PSNR | 15.2 dB |
    """
    said = f"**{status}**" + (f": {' '.join(reason.split())}" if reason else "")
    rows = []
    for name in _shown(config.layers, "test" if "test/rate_1" in metrics or "test/psnr" in metrics else "train"):
        if name in metrics:
            declared = schema.metric(name)
            value = f"{metrics[name]:.4g} {declared.unit}".strip()
            rows.append(f"| {declared.label} | {value} |")
    return "\n\n".join([said, *(["\n".join(["| metric | value |", "|---|---|", *rows])] if rows else [])])


def _shown(layers: int, split: str) -> list[str]:
    return [
        *(f"{split}/rate_{layer}" for layer in range(layers, 0, -1)),
        *(f"{split}/{name}" for name in ("rate", "distortion", "elbo", "psnr")),
        *(f"{split}/accuracy_svm_rbf_z{layer}_sampled" for layer in range(layers, 0, -1)),
        "sample/inception_score",
        "sample/fid_classifier",
    ]
