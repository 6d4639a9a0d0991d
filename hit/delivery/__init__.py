"""What a run has for its store, kept on this machine until the store has it."""

__all__ = ["HEARTBEAT_SECONDS", "Delivery"]

from hit.delivery.delivery import HEARTBEAT_SECONDS, Delivery
