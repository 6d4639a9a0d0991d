"""Measurements as pure functions: tensors and arrays in, numbers out, None or absent where there is none."""

__all__ = [
    "EVALUATOR",
    "BoundCheck",
    "Evaluator",
    "Projection",
    "RSquared",
    "SquaredError",
    "accuracies",
    "accuracy_bound",
    "accuracy_error",
    "bits_per_dim",
    "categorical_information_density",
    "check_accuracy",
    "check_accuracy_from_information",
    "check_generation",
    "check_information",
    "check_r_squared",
    "check_reconstruction",
    "entropy",
    "independent_points",
    "information_density",
    "information_needed",
    "mean_error",
    "mixed_ksg",
    "entropy_power",
    "principal_components",
    "r_squared",
    "r_squared_bound",
    "scored_points",
    "squared_error",
    "violations",
]

from hit.metrics.bounds import accuracy_bound, entropy_power, information_needed, r_squared_bound
from hit.metrics.checks import (
    BoundCheck,
    check_accuracy,
    check_accuracy_from_information,
    check_generation,
    check_information,
    check_r_squared,
    check_reconstruction,
    violations,
)
from hit.metrics.evaluator import EVALUATOR, Evaluator
from hit.metrics.information import (
    categorical_information_density,
    entropy,
    information_density,
)
from hit.metrics.mixed_ksg import mixed_ksg
from hit.metrics.probes import accuracies, independent_points, scored_points
from hit.metrics.projection import Projection, principal_components
from hit.metrics.reconstruction import SquaredError, bits_per_dim, squared_error
from hit.metrics.regression_probes import RSquared, r_squared
from hit.metrics.standard_errors import accuracy_error, mean_error
