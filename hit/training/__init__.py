"""Training one model, or one model for every β: the loop, β policies, and checkpoints."""

__all__ = ["FitResult", "fit"]

from hit.training.fitting import FitResult, fit
