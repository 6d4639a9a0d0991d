"""Latents sent in steps: a lossy code for any model."""

__all__ = ["LossyCodec", "StepTable"]

from hit.coding.lossy.lossy_codec import LossyCodec
from hit.coding.lossy.step_table import StepTable
