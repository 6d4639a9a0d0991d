"""Command lines: options from dataclasses, one-line errors, and the command `hit`."""

__all__ = ["CONFIG", "Parser", "entry_point"]

from hit.cli.command import entry_point
from hit.cli.parser import CONFIG, Parser
