"""Parts by name, ours and others': registries, where a part comes from, and how extensions are found."""

__all__ = ["Registry", "Source", "load_extensions", "source_of"]

from hit.extensions.discovery import load_extensions
from hit.extensions.registry import Registry
from hit.extensions.source import Source, source_of
