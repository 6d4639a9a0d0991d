"""The run store, read: runs, frames, histories, artifacts."""

__all__ = ["Point", "Store", "config_of", "is_lost", "to_frame"]

from hit.store.store import Point, Store, is_lost, to_frame
from hit.store.whole_config import config_of
