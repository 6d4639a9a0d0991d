"""What was tried, and what did not hold."""

__all__ = ["Tally", "tracebacks"]

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Tally:
    """Counts of one group of trials.

    Attributes:
        name: what the group is.
        tried: kind of trial → how often it was tried.
        problems: one line for each that did not hold.
        notes: what else is worth saying.
    """

    name: str
    tried: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def check(self, held: bool, problem: str) -> bool:
        """Note a problem unless it held; whether it did."""
        if not held:
            self.problems.append(problem)
        return held

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.tried.items()))
        lines = [f"{self.name}: {sum(self.tried.values())} tried ({kinds}), {len(self.problems)} did not hold"]
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join([*lines, *(f"  DID NOT HOLD: {problem}" for problem in self.problems)])


def tracebacks(folder: Path) -> list[str]:
    """The last line of every traceback in the logs under a folder, with the log's name."""
    found = []
    for log in sorted(folder.rglob("*.log")):
        text = log.read_text(errors="replace")
        for block in text.split("Traceback (most recent call last)")[1:]:
            lines = [line for line in block.splitlines() if line and not line.startswith(" ")]
            found.append(f"{log.name}: {lines[0] if lines else block[:200]}")
    return found
