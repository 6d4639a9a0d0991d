"""Small copies of what runs have drawn, for as many runs as a page has room for."""

__all__ = ["PICTURES", "Reader", "chosen", "thumbnails"]

import base64
import io
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
from PIL import Image

from analysis.frame import layers, rate_name, values

#: Artifacts that the page shows, each with its words for people.
PICTURES = {
    "pictures/reconstructions.png": "test images, each above its reconstruction",
    "pictures/samples.png": "samples from the prior",
}
#: Where runs of older versions have them.
_FORMER = {name: name.replace("pictures/", "images/") for name in PICTURES}
#: The bytes of a run's artifact, None where it has none.
Reader = Callable[[str, str], bytes | None]

#: Bytes of base64 that the pictures of a page may take.
ROOM = 7_000_000
#: No more runs than these are looked up: each takes a question to the store.
MOST_RUNS = 600
_WIDTH = _HEIGHT = 340
#: Rows of a grid that are shown, each image above its reconstruction: fewer of images that are high.
_ROWS = (4, 2)
#: Grey level of the lines between the images of a grid (`hit.evaluation.pictures`).
_LINE = 128
_QUALITY = 45


def chosen(frame: pd.DataFrame, first: Iterable[str], most: int = MOST_RUNS) -> list[str]:
    """Run ids in the order in which they are worth a picture: those named, then a spread over rate space.

    The spread takes the run that is farthest from those already taken, again and again, so that any number of the
    first ones covers rate space evenly.

    Args:
        frame: finished runs of one setting.
        first: run ids that come first.
        most: no more than these.
    """
    if frame.empty:
        return []
    count = layers(frame)
    names = [rate_name(1), "test/distortion"] if count == 1 else [rate_name(layer) for layer in range(1, count + 1)]
    places = np.column_stack([values(frame, name) for name in names])
    known = np.isfinite(places).all(axis=1)
    places, ids = places[known], frame["run_id"].astype(str).to_numpy()[known]
    if not len(ids):  # none has its rates
        return []
    span = np.ptp(places, axis=0)
    places = (places - places.min(axis=0)) / np.where(span > 0, span, 1.0)
    at = {run_id: row for row, run_id in enumerate(ids)}
    order = list(dict.fromkeys(at[run_id] for run_id in first if run_id in at))[:most]
    distance = np.full(len(ids), np.inf)
    for row in order:
        distance = np.minimum(distance, np.square(places - places[row]).sum(axis=1))
    taken = set(order)
    while len(order) < min(most, len(ids)):
        distance[list(taken)] = -1.0
        row = int(distance.argmax())
        order.append(row)
        taken.add(row)
        distance = np.minimum(distance, np.square(places - places[row]).sum(axis=1))
    return [str(ids[row]) for row in order]


def thumbnails(run_ids: Sequence[str], read: Reader, room: int = ROOM) -> dict[str, list[str | None]]:
    """For each run, until there is no more room, its `PICTURES` as WebP in base64; runs without any are left out."""
    found: dict[str, list[str | None]] = {}
    for run_id, pictures in _read(run_ids, read):
        room -= sum(len(picture) for picture in pictures if picture)
        if room < 0:
            break
        if any(pictures):
            found[run_id] = pictures
    return found


def _read(run_ids: Sequence[str], read: Reader) -> Iterator[tuple[str, list[str | None]]]:
    for run_id in run_ids:
        yield (
            run_id,
            [_thumbnail(read(run_id, artifact) or read(run_id, former)) for artifact, former in _FORMER.items()],
        )


def _thumbnail(content: bytes | None) -> str | None:
    """The first rows of a grid at one pixel a pixel, if that is small enough; None for what is no picture."""
    if content is None:
        return None
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as opened:
            picture = opened.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None
    picture = picture.crop((0, 0, picture.width, _first_rows(np.asarray(picture))))
    # `hit.evaluation.pictures` writes every pixel twice as wide and high.
    half = max(1, picture.width // 2), max(1, picture.height // 2)
    picture = picture.resize(half, Image.Resampling.NEAREST)
    if (share := min(_WIDTH / picture.width, _HEIGHT / picture.height)) < 1:
        width, height = (max(1, round(share * side)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BOX)
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=_QUALITY, method=4)
    return base64.b64encode(out.getvalue()).decode()


def _first_rows(pixels: np.ndarray) -> int:
    """Height of the first rows of a grid, told by the lines that run across it."""
    height, width = pixels.shape[:2]
    on_line = (pixels == _LINE).all(axis=(1, 2))
    ends = [int(end) for end in np.flatnonzero(on_line[1:] & ~on_line[:-1]) + 1]  # of every row
    for rows in _ROWS:
        if len(ends) >= rows and ends[rows - 1] <= width:
            return ends[rows - 1]
    return ends[_ROWS[-1] - 1] if len(ends) >= _ROWS[-1] else min(height, width)
