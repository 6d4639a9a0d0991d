"""One look for every picture: colours that colour-blind readers tell apart, on light and on dark paper."""

__all__ = [
    "BEST",
    "BRIGHT_IS_GOOD",
    "CATEGORIES",
    "DIVERGING",
    "EQUAL",
    "FAILED",
    "FRONT",
    "GAP",
    "LINE",
    "MUTED",
    "STAR",
    "THEMES",
    "Theme",
    "colorbar",
    "error_bars",
    "inert",
    "label",
    "margin",
    "markup",
    "number",
    "plain",
    "short",
    "span",
    "template",
    "text_on",
    "title_of",
    "titled",
    "with_error",
    "wrapped",
]

import html
import re
import textwrap
from functools import cache
from typing import Any, Literal

import pandas as pd
import plotly.graph_objects as go

from analysis.number_format import margin, number, span, with_error
from hit import schema

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")

#: Runs whose βs are all equal: the vermilion of Okabe and Ito, clear on both papers and on viridis.
EQUAL = "#d55e00"
#: Guides that are no data: lines of equal rate, missing cells.
MUTED = "#8a939d"

#: Cells without a finished run, and those where one failed: the reddish purple of Okabe and Ito, darkened.
GAP: dict[str, Any] = {"symbol": "x-thin", "size": 7, "line": {"width": 1.2, "color": MUTED}}
FAILED: dict[str, Any] = {"symbol": "x", "size": 8, "color": "#b8558c"}
#: A single series, and what the best runs reach.
LINE = "#2a788e"
FRONT = "#0072b2"
#: The run at β = 1, open so that the run's own colour is seen, and the best cell, outlined so that it stands out.
STAR: dict[str, Any] = {"symbol": "star-open", "size": 18, "color": EQUAL, "line": {"width": 2}}
BEST: dict[str, Any] = {"symbol": "diamond", "size": 10, "color": "#ffffff", "line": {"width": 1.5, "color": "#1c2127"}}

#: Viridis without its darkest and palest ends, which sink into dark and white paper.
_SEQUENTIAL = ["#462d7c", "#39568c", "#2a788e", "#1f9a8a", "#43bf71", "#94d840", "#e4e419"]
BRIGHT_IS_GOOD = {
    "maximize": [[i / 6, color] for i, color in enumerate(_SEQUENTIAL)],
    "minimize": [[i / 6, color] for i, color in enumerate(reversed(_SEQUENTIAL))],
}
#: Purple over grey to green, far from the vermilion of equal βs; all stand out on both papers.
DIVERGING = [[0.0, "#8448a8"], [0.25, "#b68fce"], [0.5, "#a9aeb3"], [0.75, "#74b884"], [1.0, "#1f8341"]]
#: Okabe and Ito without the vermilion, each with its own symbol: one an application.
CATEGORIES = (
    ("#0072b2", "circle"),
    ("#e69f00", "square"),
    ("#009e73", "diamond"),
    ("#cc79a7", "triangle-up"),
    ("#56b4e9", "pentagon"),
    ("#b5a900", "hexagon"),
)

_PAPER: dict[Theme, dict[str, str]] = {
    "light": {
        "paper": "#ffffff",
        "plot": "#f7f8fa",
        "text": "#1c2127",
        "note": "#5b6570",
        "grid": "#e3e7eb",
        "edge": "rgba(20,26,33,.5)",
        "veil": "rgba(247,248,250,.8)",
    },
    "dark": {
        "paper": "#171b20",
        "plot": "#1e242b",
        "text": "#e4e8ec",
        "note": "#a2abb5",
        "grid": "#303840",
        "edge": "rgba(228,232,236,.45)",
        "veil": "rgba(30,36,43,.8)",
    },
}
_LOWERED = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"


@cache
def template(theme: Theme) -> go.layout.Template:
    """The Plotly template of a theme; figures leave to it whatever differs between the two papers."""
    color = _PAPER[theme]
    axis = {
        "gridcolor": color["grid"],
        "linecolor": MUTED,
        "showline": True,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": MUTED,
        "zeroline": False,
        "automargin": True,
        "title": {"standoff": 8},
    }
    marker = {"size": 9, "line": {"width": 0.8, "color": color["edge"]}}
    wall = {
        "backgroundcolor": color["plot"],
        "gridcolor": color["grid"],
        "color": color["text"],
        "showbackground": True,
    }
    wall |= {"zeroline": False, "linecolor": MUTED, "nticks": 6}
    return go.layout.Template(
        layout={
            "paper_bgcolor": color["paper"],
            "plot_bgcolor": color["plot"],
            "font": {"family": _FONT, "size": 13, "color": color["text"]},
            "title": {"x": 0.0, "xref": "paper", "xanchor": "left", "font": {"size": 16}},
            "margin": {"l": 56, "r": 16, "t": 64, "b": 56},
            "xaxis": axis,
            "yaxis": axis,
            "scene": {"xaxis": wall, "yaxis": wall, "zaxis": wall},
            "hovermode": "closest",
            "hoverlabel": {"align": "left", "font": {"family": _FONT, "size": 12}},
            "legend": {
                "orientation": "h",
                "x": 0,
                "xanchor": "left",
                "y": 0,
                "yref": "container",
                "yanchor": "bottom",
                "bgcolor": "rgba(0,0,0,0)",
            },
            "annotationdefaults": {"font": {"size": 11, "color": color["note"]}, "bgcolor": color["veil"]},
        },
        data={"scatter": [go.Scatter(marker=marker)], "heatmap": [go.Heatmap(xgap=1, ygap=1)]},
    )


def colorbar(text: str, **more: Any) -> dict[str, Any]:
    """A slim bar with its title alongside, so that it takes little width from the picture."""
    return {
        "title": {"text": text, "side": "right"},
        "thickness": 12,
        "outlinewidth": 0,
        "ticks": "outside",
        "ticklen": 3,
        **more,
    }


def label(name: str, form: schema.DataForm | None = None) -> str:
    """Label and unit of a declared metric of data of this form, with its subscripts set as such."""
    return markup(schema.metric(name).of(form).axis)


def title_of(name: str) -> str:
    """Label of a declared metric as the start of a title."""
    text = schema.metric(name).label
    return markup(text[0].upper() + text[1:] if text.split(" ")[0].islower() else text)


def short(name: str) -> str:
    """Label of a declared metric where there is room for little: without its classifier or regression.

    >>> short("test/accuracy_svm_rbf_z2_sampled"), short("test/rate")
    ('accuracy of z<sub>2</sub> on samples', 'R')
    """
    return markup(_short(name))


def wrapped(name: str, width: int = 18, form: schema.DataForm | None = None) -> str:
    """Short label and unit, in lines of about so many characters where it is longer.

    >>> wrapped("test/psnr"), wrapped("test/rate_1", 14)
    ('PSNR [dB]', 'R<sub>1</sub><br>[nats per<br>image]')
    """
    text, unit = _short(name), schema.metric(name).of(form).unit
    whole = f"{text} [{unit}]" if unit else text
    parts = [whole] if len(whole) <= width else [text, f"[{unit}]"] if unit else [text]
    return "<br>".join(markup(line) for part in parts for line in textwrap.wrap(part, width))


def titled(title: str, dataset: str) -> str:
    """The title of a figure with the data set that it is of, if it is of one.

    >>> titled("PSNR over β", "digits"), titled("PSNR over β", "")
    ('PSNR over β · digits', 'PSNR over β')
    """
    return f"{title} · {inert(dataset)}" if dataset else title


def inert(text: str) -> str:
    """Text from the store as markup that shows it and does nothing, in pages and in Plotly's strings.

    >>> inert("<b>&")
    '&lt;b&gt;&amp;'
    """
    return html.escape(text, quote=False)  # Plotly reads tags in every string, but not &quot;


def markup(text: str) -> str:
    """A label with its subscripts set as such.

    >>> markup("R_12"), markup("log10 β_1")
    ('R<sub>12</sub>', 'log<sub>10</sub> β<sub>1</sub>')
    """
    subscripted = re.sub(r"(?<=[A-Za-zβ])_([0-9]+|l)\b", r"<sub>\1</sub>", inert(text))
    return re.sub(r"\blog10\b", "log<sub>10</sub>", subscripted)


def plain(text: str) -> str:
    """A label with its subscripts as characters, where no markup is possible.

    >>> plain("R_12 [nats]"), plain("log10 β_1")
    ('R₁₂ [nats]', 'log₁₀ β₁')
    """
    return re.sub(r"(?<=[A-Za-zβ])_([0-9]+)\b|(?<=\blog)(10)\b", lambda at: (at[1] or at[2]).translate(_LOWERED), text)


def error_bars(errors: pd.Series) -> dict[str, Any] | None:
    """Thin bars of one standard error each; None where none is known."""
    return {"array": errors, "thickness": 1, "width": 0, "color": MUTED} if errors.notna().any() else None


def text_on(share: float) -> str:
    """Colour of a text on the sequential scale, `share` of the way from its dark end to its bright one."""
    return "#ffffff" if share < 0.4 else "#10151a"


def _short(name: str) -> str:
    text = schema.metric(name).label.removeprefix("total rate ").removeprefix("distortion ")
    return re.sub(r"^((?:accuracy|R²) of z_[0-9]+), .* on ", r"\1 on ", text)
