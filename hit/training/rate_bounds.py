"""Bounds on the rates of a run, judged epoch by epoch: one that has settled out of them ends early."""

__all__ = ["RateBoundStopper"]

from collections import deque
from collections.abc import Mapping
from itertools import pairwise

from hit.config import TrainConfig
from hit.config.rates.rate_region import RateBound
from hit.errors import EndedEarly
from hit.training.objective import warmup_factors

#: The pace of a rate is that of so many epochs.
_WINDOW = 5
#: Rates of training batches and of the test set may differ by so much.
_MARGIN = 0.05


class RateBoundStopper:
    """Ends a run whose rates have settled out of bounds.

    A rate R has settled outside [low, high] when it is outside by more than 5 % now and would be in the last epoch,
    too, if every epoch until then brought it as far as the best of the last five: R + max dR · (epochs left) < low,
    or R + min dR · (epochs left) > high, where a step away from the bound counts as none. It is not judged while
    the warm-up of β lasts.

    Args:
        bounds: on its rates.
        config: of the run.
    """

    def __init__(self, bounds: tuple[RateBound, ...], config: TrainConfig) -> None:
        self._bounds = bounds
        self._config = config
        self._seen: deque[Mapping[str, float]] = deque(maxlen=_WINDOW + 1)

    def check(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Judge a finished epoch.

        Args:
            epoch: counted from 1.
            metrics: of the epoch, in schema names.

        Raises:
            EndedEarly: "outside the region: …".
        """
        if min(warmup_factors(self._config, epoch - 1)) < 1:
            return
        self._seen.append(metrics)
        if len(self._seen) <= _WINDOW:
            return
        left = self._config.epochs - epoch
        for bound in self._bounds:
            metric = f"train/{bound.rate}"
            rates = [seen[metric] for seen in self._seen]
            steps = [after - before for before, after in pairwise(rates)]
            highest = rates[-1] + max(0.0, *steps) * left
            lowest = rates[-1] + min(0.0, *steps) * left
            if highest < bound.low * (1 - _MARGIN) or lowest > bound.high * (1 + _MARGIN):
                raise EndedEarly(
                    f"outside the region: {metric} has settled at {rates[-1]:.4g} nats in epoch "
                    f"{epoch} of {self._config.epochs}, out of {bound}"
                )
