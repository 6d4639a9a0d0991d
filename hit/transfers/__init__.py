"""Runs of one store in another: which, under which ids, and with all that they hold."""

__all__ = ["Transferred", "transfer_runs"]

from hit.transfers.run_transfer import Transferred, transfer_runs
