"""The way to a run store: addresses, connecting, what its errors mean, and making things once."""

__all__ = ["chosen_experiment", "connect", "experiment_id", "experiment_of", "found_experiment"]

from hit.connection.connect import chosen_experiment, connect, experiment_id, experiment_of, found_experiment
