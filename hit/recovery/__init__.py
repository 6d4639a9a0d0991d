"""What earlier processes left on this machine: found, delivered, adopted, or dropped."""

__all__ = ["end_lost", "end_lost_here", "end_unstarted", "mark_lost", "recover"]

from hit.recovery.recovery import end_lost, end_lost_here, end_unstarted, mark_lost, recover
