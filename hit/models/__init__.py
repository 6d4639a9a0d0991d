"""Hierarchical VAEs."""

__all__ = ["HierarchicalVAE", "Pass", "build_model", "check_fit", "check_memory", "check_values"]

from hit.models.build import build_model, check_fit, check_memory, check_values
from hit.models.hierarchy import HierarchicalVAE, Pass
