"""The codecs of chunks by the names that files have for them."""

__all__ = ["make_codec"]

from collections.abc import Mapping
from typing import Any

from hit.coding.chunk_codec import ChunkCodec, LosslessCodec
from hit.coding.lossy import LossyCodec
from hit.errors import DataError, shown
from hit.models import HierarchicalVAE

_CODECS: dict[str, type[ChunkCodec]] = {LosslessCodec.kind: LosslessCodec, LossyCodec.kind: LossyCodec}


def make_codec(
    kind: str, model: HierarchicalVAE, shape: tuple[int, int, int], settings: Mapping[str, Any]
) -> ChunkCodec:
    """The codec of a kind.

    Raises:
        DataError: an unknown kind, or settings that it never gives.
        ConfigError: the model cannot be coded with.
    """
    if kind not in _CODECS:
        raise DataError(f"kind of a coded file must be {' or '.join(_CODECS)}, got {shown(kind)}")
    return _CODECS[kind].of(model, shape, settings)
