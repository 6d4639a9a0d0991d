"""Pictures of the pages as SVG, whose ink follows the reader's theme, light or dark."""

__all__ = ["INK", "style", "write"]

import re
from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot
from matplotlib.figure import Figure

#: Stands for the ink in matplotlib's output; the file says what it is in each theme.
INK = "#010203"
_THEMES = (
    "<style>:root { --ink: #1f2328 } "
    "@media (prefers-color-scheme: dark) { :root { --ink: #d1d7e0 } } text { fill: var(--ink) !important }</style>"
)


def style() -> AbstractContextManager[None]:
    """Matplotlib's settings under which figures are drawn and written."""
    inked = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    texts = {"svg.fonttype": "none", "svg.hashsalt": "hit", "font.family": "sans-serif"}
    return mpl.rc_context({**dict.fromkeys(inked, INK), **texts})


def write(figure: Figure, path: Path) -> None:
    """Write the figure, and close it."""
    figure.savefig(path, transparent=True, bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
    text = path.read_text(encoding="utf-8").replace(INK, "var(--ink)")
    path.write_text(re.sub(r"(<svg [^>]*>)", rf"\1{_THEMES}", text, count=1), encoding="utf-8")
