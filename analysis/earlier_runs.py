"""What runs of earlier versions did not log, derived from what they did: L, and the number of classes."""

__all__ = ["derived_classes", "derived_layers"]

import math
from collections.abc import Iterable

import pandas as pd

from hit.metrics.bounds import accuracy_bound


def derived_layers(models: Iterable[object], z_dims: Iterable[object]) -> int:
    """L, the largest number of layers of latents among the models; 0 where there are none.

    A one-layer model may carry a `beta_2` that the command line gave it, so βs do not tell L.

    Args:
        models: the param `model` of each run.
        z_dims: the param `z_dims` of each, with commas.

    >>> derived_layers(["vae", "ghvae"], ["20", "8,20"])
    3
    """
    shapes = {*zip(models, z_dims, strict=True)}
    return max((1 if model == "vae" else 2 + str(dims).count(",") for model, dims in shapes), default=0)


def derived_classes(entropy: float, rates: pd.Series, bounds: pd.Series) -> int:
    """Number of classes M of the data: the one that reproduces the bounds stored with the runs.

    H(y) ≤ ln M gives the least M, which is exact for balanced classes; a rarer class shows in the
    stored bounds alone.

    Args:
        entropy: H(y) in nats.
        rates: what bounds the information of a latent, nats per image, a run each.
        bounds: on the accuracy from this latent, as stored.
    """
    least = max(2, math.ceil(math.exp(entropy) - 1e-6))
    known = pd.DataFrame({"bound": bounds, "rate": rates}).dropna()
    known = known[(known["bound"] < 1) & (known["rate"] > 0)].sort_values("rate")
    if known.empty:
        return least
    rate, bound = (float(number) for number in known.iloc[len(known) // 2][["rate", "bound"]])
    capped = min(entropy, math.log(least))  # it may miss ln M in its last digits
    return min(range(least, 4 * least + 1), key=lambda count: abs(accuracy_bound(rate, capped, count) - bound))
