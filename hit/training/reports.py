"""What an epoch's sums say, by schema names, and why a training whose loss is not finite ends."""

__all__ = ["epoch_metrics", "not_finite"]

from collections.abc import Sequence


def epoch_metrics(means: Sequence[float]) -> dict[str, float]:
    """Means over an epoch's images, of the loss, D and R_1 … R_L, as metrics in schema names."""
    loss, distortion, *rates = means
    return {
        "train/objective": loss,
        "train/distortion": distortion,
        "train/rate": sum(rates),
        "train/elbo": -distortion - sum(rates),
        **{f"train/rate_{layer}": rate for layer, rate in enumerate(rates, start=1)},
    }


def not_finite(loss: str, epoch: int, epochs: int, setting: str) -> str:
    """Why a training ends whose loss is not finite.

    Args:
        loss: name of the metric that is minimised.
        epoch: counted from 0.
        epochs: of the whole training.
        setting: what decides whether it stays finite, in words.
    """
    name = loss.removeprefix("train/").replace("_", "-")
    return f"the training {name} is not finite in epoch {epoch + 1} of {epochs} ({setting})"
