"""Where a field of `TrainConfig` means something: not every model, nor every likelihood, has them all."""

__all__ = ["MEANINGS", "Meaning", "meaningless"]

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from hit.config.parts import PARTS


@dataclass(frozen=True)
class Meaning:
    """Where a field means something: where the part that another field names reads it.

    Attributes:
        field: the other field, `model` or `likelihood`.
        otherwise: what identities hold in its place elsewhere; None: nothing.
    """

    field: str
    otherwise: Any = None


#: Fields that not every part reads → whose they are. Elsewhere they do not tell two models apart.
MEANINGS = {
    "sigma": Meaning("likelihood"),
    "posterior": Meaning("model"),
    "latent": Meaning("model", otherwise="dense"),
    "channels": Meaning("model"),
    "z_dims": Meaning("model"),
    "warmup": Meaning("model"),
}


def meaningless(values: Mapping[str, Any], free: Collection[str] = ()) -> frozenset[str]:
    """Fields that mean nothing for a model with these values of the fields they depend on.

    Of a part that nobody has registered here, all may mean something.

    Args:
        values: field → value; more may be there.
        free: fields that may have other values, too.

    >>> sorted(meaningless({"model": "vae", "likelihood": "gaussian"}))
    ['latent', 'warmup', 'z_dims']
    """
    return frozenset(
        name
        for name, meaning in MEANINGS.items()
        if meaning.field not in free and not _reads(meaning.field, values[meaning.field], name)
    )


def _reads(kind: str, part: str, name: str) -> bool:
    return part not in PARTS[kind] or name in PARTS[kind].get(part).reads
