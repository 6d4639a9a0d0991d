"""A report page, parsed."""

__all__ = ["Page", "unpacked"]

import base64
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np


class Page(HTMLParser):
    """Elements, visible text, figures, the data of its sections, and scripts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.figures: list[dict[str, Any]] = []
        self.sections: list[dict[str, Any]] = []
        self.scripts: list[str] = []
        self._script: dict[str, str | None] | None = None
        self.feed(page)
        self.text = re.sub(r"\s+", " ", "".join(self.texts))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._script = dict(attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is None:
            self.texts.append(data)
        elif self._script.get("type") == "application/json":
            content = json.loads(data)
            if "linear" in content:
                self.figures.append(content["linear"])
            elif "pool" in content:
                self.sections.append(content)
        else:
            self.scripts.append(data)

    def attributes(self, name: str) -> list[str]:
        """Values of an attribute over all elements."""
        return [attributes[name] or "" for _, attributes in self.elements if name in attributes]

    def count(self, tag: str) -> int:
        """How many elements of this name."""
        return sum(name == tag for name, _ in self.elements)


def unpacked(section: dict[str, Any], packed: Any) -> Any:
    """An array of the page; short ones are written out."""
    if isinstance(packed, list):
        return np.array(packed)
    kind, data = section["pool"][packed["pool"]]
    return np.frombuffer(base64.b64decode(data), dtype=kind)
