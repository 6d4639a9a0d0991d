"""Hierarchical VAEs."""

__all__ = ["HierarchicalVAE", "Pass", "build_model", "check_fit"]

from hit.models.build import build_model, check_fit
from hit.models.hierarchy import HierarchicalVAE, Pass
