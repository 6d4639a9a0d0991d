"""Figures and columns as JSON for a page, every array once and runs as positions in the table of runs."""

__all__ = ["Pool", "embedded"]

import base64
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup

from analysis.figures.scales import logarithmic

#: Shorter arrays are as well written out.
_SHORT = 32


class Pool:
    """The arrays of one setting, whose figures repeat each other's.

    An array becomes `{"pool": k}`: the k-th of `content`, which a script turns into a typed array. Numbers have 32
    bits, seven digits. What runs say under the pointer is left out of figures: the script makes it of the
    columns, as `meta` of their traces asks (see `marks.hover`).

    Args:
        run_ids: the rows of the table of runs, in their order.
    """

    def __init__(self, run_ids: Iterable[str]) -> None:
        self._row = {str(run_id): row for row, run_id in enumerate(run_ids)}
        self._at: dict[tuple[str, bytes], int] = {}
        self._content: list[tuple[str, str]] = []

    @property
    def content(self) -> list[tuple[str, str]]:
        """Type ("f4" or "i4", little-endian) and base64 of each array."""
        return self._content

    def numbers(self, values: Any) -> dict[str, int]:
        """An array of numbers; what is missing is NaN."""
        return self._put("f4", np.asarray(values, dtype="<f4"))

    def rows(self, run_ids: Iterable[Any]) -> dict[str, int]:
        """The positions of runs."""
        return self._put("i4", np.array([self._row[str(run_id)] for run_id in run_ids], dtype="<i4"))

    def figure(self, figure: go.Figure) -> dict[str, Any]:
        """A figure without its template and its title, which the page supplies."""
        content = figure.to_plotly_json()
        layout = {name: value for name, value in content["layout"].items() if name not in ("template", "title")}
        return {"data": [self._trace(trace) for trace in content["data"]], "layout": self._plain(layout)}

    def figures(self, figure: go.Figure) -> dict[str, Any]:
        """The same under `linear` and, where it has axes of rates, under `log` with those logarithmic."""
        packed = {"linear": self.figure(figure)}
        if (figure.layout.meta or {}).get("rates"):
            packed["log"] = self.figure(logarithmic(figure))
        return packed

    def _trace(self, trace: Mapping[str, Any]) -> dict[str, Any]:
        said = "says" in (trace.get("meta") or {})
        packed: dict[str, Any] = {}
        for name, value in trace.items():
            if name == "ids":
                packed["rows"] = self.rows(value)
            elif not (name == "customdata" and said):
                packed[name] = self._plain(value)
        runs = (trace.get("meta") or {}).get("runs")
        if runs is not None:  # a cell of several runs
            packed["meta"] = {"runs": [[[self._row[run_id] for run_id in cell] for cell in line] for line in runs]}
        return packed

    def _plain(self, value: Any) -> Any:
        match value:
            case np.ndarray() if value.ndim == 1 and value.dtype.kind in "iuf" and len(value) > _SHORT:
                return self.numbers(value)
            case np.ndarray():
                return self._plain(value.tolist())
            case np.generic():
                return self._plain(value.item())
            case float():
                return value if math.isfinite(value) else None
            case {"bdata": data, "dtype": dtype}:  # how Plotly hands out arrays
                array = np.frombuffer(base64.b64decode(data), dtype=dtype)
                shape = [int(side) for side in str(value.get("shape", len(array))).split(",")]
                return self._plain(array.reshape(shape))
            case Mapping():
                return {name: self._plain(one) for name, one in value.items()}
            case list() | tuple():
                if len(value) > _SHORT and all(one is None or type(one) in (int, float) for one in value):
                    return self.numbers([math.nan if one is None else one for one in value])
                return [self._plain(one) for one in value]
        return value

    def _put(self, kind: str, values: np.ndarray[Any, Any]) -> dict[str, int]:
        data = values.tobytes()
        at = self._at.setdefault((kind, data), len(self._content))
        if at == len(self._content):
            self._content.append((kind, base64.b64encode(data).decode()))
        return {"pool": at}


def embedded(content: object) -> Markup:
    """JSON for a script element, which no text in it can leave."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - no character of markup is left
