"""Processes of this machine: requests to stop, identities, worker pools, CPUs, devices and memory."""
