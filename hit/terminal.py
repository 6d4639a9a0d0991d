"""A terminal that cannot show every letter: what it lacks is replaced, and nothing fails for it."""

__all__ = ["spare_letters"]

import io
import sys


def spare_letters() -> None:
    """Let stdout and stderr show `?` for letters that their encoding lacks: β in ASCII, σ in Windows' cp1252.

    Python itself raises UnicodeEncodeError for them on stdout. Bytes of file names that are no text (which Python holds
    as lone surrogates) go through where stdout takes them, and are replaced where it does not.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not _takes_all(stream):
            stream.reconfigure(errors="replace")


def _takes_all(stream: io.TextIOWrapper) -> bool:
    return stream.errors == "surrogateescape" and stream.encoding.lower().replace("-", "") == "utf8"
