"""Latents sent in steps: a lossy code for any model."""

__all__ = ["LossyCodec", "StepTable"]

from hit.coding.lossy.codec import LossyCodec
from hit.coding.lossy.step_table import StepTable
