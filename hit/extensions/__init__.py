"""Parts by name, ours and others': registries, and where a part comes from."""

__all__ = ["Registry", "Source", "source_of"]

from hit.extensions.registry import Registry
from hit.extensions.source import Source, source_of
