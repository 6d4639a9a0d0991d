"""A figure as a file: a page that can be explored, or a picture for a paper."""

__all__ = ["save"]

from pathlib import Path

import plotly.graph_objects as go

from hit.config.paths import given_path
from hit.errors import ConfigError, Unavailable

_PICTURES = (".png", ".pdf", ".svg")
#: Pixels of a PNG for each of the figure's: 300 dpi at the width of a page.
_SCALE = 3.0


def save(figure: go.Figure, path: str | Path, *, width: int = 720, height: int = 480) -> Path:
    """Write a figure as .html (works offline), .png, .pdf or .svg, by the name's ending; where it is.

    Pictures are drawn by a Chrome or Chromium of this machine, without the network. SVG and PDF hold vectors,
    apart from what is three-dimensional or parallel coordinates; a PNG has three pixels a point.

    Args:
        figure: what the functions of this package return.
        path: where to; its folder exists.
        width, height: in points (1/72 inch in a PDF); a height that the figure asks for itself is kept.

    Raises:
        ConfigError: another ending, or a path that cannot be written.
        Unavailable: a picture is asked for, and there is no Chrome.
    """
    target = given_path("path", path)
    kind = target.suffix.lower()
    if kind not in (".html", *_PICTURES):
        raise ConfigError(f"path must end in .html, .png, .pdf or .svg, got {str(path)!r}")
    if not target.parent.is_dir() or target.is_dir():
        raise ConfigError(f"path must be a file in an existing folder, got {str(path)!r}")
    try:
        if kind == ".html":
            figure.write_html(target, include_plotlyjs=True, config={"displaylogo": False})
        else:
            _draw(figure, target, width, figure.layout.height or height)
    except OSError as error:
        raise ConfigError(f"path must be a file that can be written, got {str(path)!r}: {error.strerror}") from None
    return target


def _draw(figure: go.Figure, target: Path, width: int, height: int) -> None:
    import kaleido  # takes a second, and pages need none of it
    from choreographer.browsers.chromium import ChromeNotFoundError

    kind = target.suffix.lower().lstrip(".")
    options = {"format": kind, "width": width, "height": height, "scale": _SCALE if kind == "png" else 1.0}
    try:
        # MathJax would be fetched from the network.
        kaleido.write_fig_sync(figure, path=target, opts=options, kopts={"mathjax": False})
    except ChromeNotFoundError:
        raise Unavailable(
            f"a picture ({target.suffix}) needs a Chrome: install one (apt-get install chromium, or "
            "plotly_get_chrome), or name the file .html"
        ) from None
