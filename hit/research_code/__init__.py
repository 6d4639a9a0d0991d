"""Runs of the original research code, brought into the store."""

__all__ = [
    "DATASETS",
    "LIKELIHOODS",
    "MODELS",
    "POSTERIORS",
    "Unsupported",
    "layer_names",
    "translate_config",
    "translate_weights",
]

from hit.research_code.translation import (
    DATASETS,
    LIKELIHOODS,
    MODELS,
    POSTERIORS,
    Unsupported,
    layer_names,
    translate_config,
    translate_weights,
)
