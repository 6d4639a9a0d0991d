"""Pictures of images as bits."""

from analysis.figures.coding.rate_distortion import rate_distortion

__all__ = ["rate_distortion"]
