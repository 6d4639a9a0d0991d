"""Measurements as pure functions: tensors and arrays in, numbers out, None or absent where there is none."""

__all__ = [
    "EVALUATOR",
    "Evaluator",
    "SquaredError",
    "accuracies",
    "accuracy_bound",
    "bits_per_dim",
    "entropy",
    "information_needed",
    "mutual_information",
    "psnr",
    "squared_error",
]

from hit.metrics.bounds import accuracy_bound, information_needed
from hit.metrics.evaluator import EVALUATOR, Evaluator
from hit.metrics.information import entropy, mutual_information
from hit.metrics.probes import accuracies
from hit.metrics.reconstruction import SquaredError, bits_per_dim, psnr, squared_error
