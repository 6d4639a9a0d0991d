"""Drivers: rules that read the history of runs and say what to run next."""
