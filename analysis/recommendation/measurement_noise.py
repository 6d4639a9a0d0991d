"""The part of a run's noise that is known beforehand: the standard errors of what was measured."""

__all__ = ["MeasurementNoise"]

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel, StationaryKernelMixin

Floats = npt.NDArray[np.float64]


class MeasurementNoise(StationaryKernelMixin, Kernel):  # type: ignore[misc]
    """Independent noise whose variance is known of each run but for one factor, share · e_i².

    The factor is learned: runs are measured on the same test images, so that a part of what is uncertain is common to
    all of them and moves no run against another.

    Args:
        errors: e_i, N, in the order of the inputs.
        share: of the variance that is a run's own.
        share_bounds: of what is learned.
    """

    def __init__(
        self, errors: Floats, share: float = 0.3, share_bounds: tuple[float, float] | str = (1e-2, 1.0)
    ) -> None:
        self.errors = errors
        self.share = share
        self.share_bounds = share_bounds

    @property
    def hyperparameter_share(self) -> Hyperparameter:
        """As scikit-learn asks for it."""
        return Hyperparameter("share", "numeric", self.share_bounds)

    def __call__(self, X: Floats, Y: Floats | None = None, eval_gradient: bool = False) -> Any:
        """The covariance, and its derivative by the logarithm of the share; between different inputs there is none."""
        if Y is not None:
            return np.zeros((len(X), len(Y)))
        covariance = np.diag(self.share * self.errors**2)
        return (covariance, covariance[:, :, None]) if eval_gradient else covariance

    def diag(self, X: Floats) -> Floats:
        """Its diagonal."""
        return np.asarray(self.share * self.errors**2)
