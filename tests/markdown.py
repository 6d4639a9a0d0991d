"""The project's pages, as the tests read them: blocks of code, links, anchors."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.commands import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

_FENCE = re.compile(r"(?:<!-- needs: (?P<needs>[^>]+) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.S | re.M)
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.M)


@dataclass(frozen=True)
class Block:
    """A fenced block of code.

    Attributes:
        page: where it stands.
        language: as the fence says.
        text: without the fences.
        needs: what keeps a test from running it, by the comment above it; empty where nothing does.
    """

    page: Path
    language: str
    text: str
    needs: str

    def commands(self) -> list[str]:
        """Of a shell block: its command lines, continued ones joined, without comments."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in (re.sub(r"(^|\s)#.*", "", line).strip() for line in lines) if line]


@cache
def blocks(page: Path) -> tuple[Block, ...]:
    """Every fenced block of a page, in order."""
    found = _FENCE.finditer(page.read_text(encoding="utf-8"))
    return tuple(Block(page, match["language"], match["text"], match["needs"] or "") for match in found)


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def spans(page: Path) -> Iterator[str]:
    """Every piece of code within the text of a page."""
    yield from re.findall(r"`([^`\n]+)`", prose(page))


def links(page: Path) -> Iterator[str]:
    """Where the links and pictures of a page lead that stay in the project."""
    for target in _LINK.findall(re.sub(r"`[^`\n]*`", "", prose(page))):
        if not re.match(r"[a-z]+:", target):
            yield target


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    names: dict[str, int] = {}
    found = []
    for heading in _HEADING.findall(prose(page)):
        text = re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", heading).lower()).replace(" ", "-")
        count = names.get(text, 0)
        names[text] = count + 1
        found.append(f"{text}-{count}" if count else text)
    return frozenset(found)
