"""Whether a picture of the report shows its data: pixels in the colours of runs, apart from paper, axes and text."""

__all__ = ["AREAS", "coloured", "edges"]

import io
from collections.abc import Sequence
from functools import cache

import numpy as np
from PIL import Image
from plotly.colors import sample_colorscale, unlabel_rgb

from analysis.figures import style

#: Where a plot of the page draws runs, as [left, top, width, height] in its own pixels: not its colour bar, not its
#: legend. One box a panel.
AREAS = """plot => {
    const full = plot._fullLayout;
    if (!full) return [[0, 0, plot.clientWidth - 84, plot.clientHeight]];
    if (full.scene) return [[full._size.l, full._size.t, full._size.w, full._size.h]];
    const names = Object.keys(full).filter((key) => /^xaxis[0-9]*$/.test(key));
    const pairs = names.map((name) => [full[name], full[name.replace("x", "y")]]);
    return pairs.filter(([x]) => x.visible).map(([x, y]) => [x._offset, y._offset, x._length, y._length]);
}"""

#: A channel may differ by so much.
_NEAR = 8
#: Less colourful ones could be text or axes.
_CHROMA = 40


@cache
def _palette() -> np.ndarray:
    """Which colours stand for data, as 256×256×256 yes and no: both scales, the applications, equal βs and fronts."""
    scales = [style.BRIGHT_IS_GOOD["maximize"], style.DIVERGING]
    shares = np.linspace(0, 1, 160)
    found = [unlabel_rgb(color) for scale in scales for color in sample_colorscale(scale, shares)]
    single = [style.EQUAL, style.FRONT, *(color for color, _ in style.CATEGORIES)]
    found += [tuple(int(color[at : at + 2], 16) for at in (1, 3, 5)) for color in single]
    colors = np.unique(np.round(np.array(found)).astype(int), axis=0)
    near = np.zeros((256, 256, 256), bool)
    for color in colors[np.ptp(colors, axis=1) >= _CHROMA]:
        near[tuple(slice(max(0, channel - _NEAR), channel + _NEAR + 1) for channel in color)] = True
    channels = np.ogrid[:256, :256, :256]
    chroma = np.maximum(np.maximum(*channels[:2]), channels[2]) - np.minimum(np.minimum(*channels[:2]), channels[2])
    return near & (chroma >= _CHROMA)


def coloured(picture: bytes, box: Sequence[float]) -> int:
    """How many pixels of a part of a PNG have a colour of the data."""
    left, top, width, height = box
    part = Image.open(io.BytesIO(picture)).convert("RGB").crop((*map(int, (left, top, left + width, top + height)),))
    red, green, blue = np.moveaxis(np.asarray(part), -1, 0)
    return int(_palette()[red, green, blue].sum())


def edges(picture: bytes, pixels: int = 3) -> set[tuple[int, ...]]:
    """The colours at the left and the right end of a PNG: one, where nothing is cut off."""
    content = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    ends = np.concatenate([content[:, :pixels], content[:, -pixels:]], axis=1).reshape(-1, 3)
    return {tuple(map(int, color)) for color in np.unique(ends, axis=0)}
