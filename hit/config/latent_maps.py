"""The options of a deep model: the maps of its latents, `1x1x16,2x2x16,4x4x8,8x8x4`, from the top down."""

__all__ = ["MOST_MAPS", "DeepOptions", "LatentMap", "parse_maps"]

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Annotated

import pydantic.dataclasses
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from hit.config.field_types import MOST_TEXT, whole_number
from hit.errors import shown

#: Layers of latents of a deep model.
FEWEST_MAPS, MOST_MAPS = 2, 16
#: Side and channels of one map.
_MOST_SIDE, _MOST_CHANNELS = 256, 16_384
_USUAL_MAPS = "1x1x16,2x2x16,4x4x8,8x8x4"
_TIMES = re.compile(r"[x×]")


@dataclass(frozen=True)
class LatentMap:
    """The shape of one z_l.

    Attributes:
        height, width: positions.
        channels: numbers at each of them.
    """

    height: int
    width: int
    channels: int

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return self.height * self.width * self.channels

    def __str__(self) -> str:
        return f"{self.height}x{self.width}x{self.channels}"


@lru_cache(maxsize=256)
def parse_maps(text: str) -> tuple[LatentMap, ...]:
    """The maps of z_L, …, z_1.

    Raises:
        ValueError: the rule that is broken, as it reads after "must be".

    >>> [one.size for one in parse_maps("1x1x16, 4x4x8")]
    [16, 128]
    >>> parse_maps("4x4x8,6x6x2")
    Traceback (most recent call last):
        ...
    ValueError: maps whose sides are whole multiples of those above them (6x6x2 stands below 4x4x8)
    """
    maps = tuple(_map(part.strip()) for part in text.split(","))
    if not FEWEST_MAPS <= len(maps) <= MOST_MAPS:
        raise ValueError(f"{FEWEST_MAPS} to {MOST_MAPS} maps, from the top down, with commas ({len(maps)} are given)")
    for above, below in pairwise(maps):
        if below.height % above.height or below.width % above.width:
            raise ValueError(f"maps whose sides are whole multiples of those above them ({below} stands below {above})")
    return maps


def _map(text: str) -> LatentMap:
    numbers = [whole_number(part.strip()) for part in _TIMES.split(text)]
    if len(numbers) != 3 or None in numbers:
        raise ValueError(f"maps height x width x channels with commas, such as {_USUAL_MAPS} ({shown(text)} is none)")
    height, width, channels = (number or 0 for number in numbers)
    if not (1 <= height <= _MOST_SIDE and 1 <= width <= _MOST_SIDE and 1 <= channels <= _MOST_CHANNELS):
        raise ValueError(f"maps of sides 1 to {_MOST_SIDE} and 1 to {_MOST_CHANNELS} channels ({shown(text)} is none)")
    return LatentMap(height, width, channels)


def _canonical(text: str) -> str:
    return ",".join(map(str, parse_maps(text)))


@pydantic.dataclasses.dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class DeepOptions:
    """What `model=deep` takes beside the fields of every config."""

    latents: Annotated[
        str,
        StringConstraints(strip_whitespace=True, max_length=MOST_TEXT),
        AfterValidator(_canonical),
        Field(
            description="maps of z_L, …, z_1, from the top down, height x width x channels with commas; their number "
            "sets L"
        ),
    ] = _USUAL_MAPS
    start_ratio: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="with fixed β, what β_l is multiplied by at first beside β_{l−1}, up to 1 in half of the "
            "epochs; below 1 upper layers hold more",
        ),
    ] = 1.0

    @property
    def maps(self) -> tuple[LatentMap, ...]:
        """Those of z_L, …, z_1."""
        return parse_maps(self.latents)

    @property
    def layers(self) -> int:
        """L."""
        return len(self.maps)
